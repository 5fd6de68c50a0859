#include "base/turn.h"

#include "base/clock.h"
#include "base/lock.h"

#include <unistd.h>

bool turn_take(struct turn *t, int64_t until_ns, int64_t hangs_ns)
{
    for (uint32_t self = (uint32_t)getpid();;) {
        uint32_t in = atomic_load(&t->inside);
        if (in != self) {
            if (!atomic_compare_exchange_strong(&t->inside, &in, self))
                continue;
            atomic_store(&t->since_ns, clock_mono_ns());
            return true;
        }
        int64_t hung_ns = atomic_load(&t->since_ns) + hangs_ns;
        int64_t left = (hung_ns < until_ns ? hung_ns : until_ns) - clock_mono_ns();
        if (left <= 0)
            return false;
        lock_wait_word(&t->inside, in, left);
    }
}

void turn_end(struct turn *t)
{
    atomic_store(&t->inside, 0);
    lock_wake_word(&t->inside);
}
