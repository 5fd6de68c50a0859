#include "sampler/thin.h"

#include "base/any/random.h"

static void draw(struct thin *t)
{
    t->point_ns = t->begin_ns + random_upto(&t->random, t->period_ns) - 1;
}

void thin_init(struct thin *t, uint32_t period_ns, uint64_t seed)
{
    *t = (struct thin){.period_ns = period_ns, .random = seed};
    draw(t);
}

uint32_t thin_ticks(struct thin *t, uint32_t ticks, uint32_t period_ns)
{
    uint32_t kept = 0;
    if (period_ns == t->period_ns)
        return ticks;
    t->seen_ns += (uint64_t)ticks * period_ns;
    while (t->point_ns < t->seen_ns) {
        kept++;
        t->begin_ns += t->period_ns;
        draw(t);
    }
    return kept;
}
