#include "base/pace.h"

#include "base/clock.h"

#include <time.h>

static bool is_due(const struct pace *p)
{
    return clock_ns(CLOCK_MONOTONIC) >= atomic_load_explicit(&p->next_ns, memory_order_acquire);
}

/* Asked again once it is ours: the one before may have ended just between. */
bool pace_begin(struct pace *p)
{
    if (!is_due(p) || atomic_exchange_explicit(&p->busy, true, memory_order_acquire))
        return false;
    if (!is_due(p)) {
        atomic_store_explicit(&p->busy, false, memory_order_release);
        return false;
    }
    p->began_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return true;
}

int64_t pace_rest_ns(int64_t cpu_ns)
{
    const int64_t longest = PACE_MOST_NS / PACE_SHARE;
    int64_t times = cpu_ns / PACE_SHORT_NS;
    if (cpu_ns > longest || (times > 1 && cpu_ns > longest / times))
        return PACE_MOST_NS;
    int64_t rest = cpu_ns * PACE_SHARE * (times > 1 ? times : 1);
    return rest > PACE_LEAST_NS ? rest : PACE_LEAST_NS;
}

void pace_end(struct pace *p)
{
    int64_t rest = pace_rest_ns(clock_ns(CLOCK_THREAD_CPUTIME_ID) - p->began_cpu_ns);
    atomic_store_explicit(&p->next_ns, clock_ns(CLOCK_MONOTONIC) + rest, memory_order_release);
    atomic_store_explicit(&p->busy, false, memory_order_release);
}

bool pace_was_done(const struct pace *p)
{
    return atomic_load_explicit(&p->next_ns, memory_order_acquire) != 0;
}

void pace_reset(struct pace *p)
{
    atomic_store(&p->next_ns, 0);
    atomic_store(&p->busy, false);
}
