#include "http/opening.h"

#include "base/clock.h"
#include "base/lock.h"
#include "http/limits.h"

enum { EMPTY, ASKED, TAKEN, ANSWERED, GIVEN_UP, CLOSED };

static _Atomic uint32_t state;
static struct opening asked; /* the asker's until ASKED, then the loop's */
static struct opened answer; /* the loop's until ANSWERED, then the asker's */

static bool move(uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&state, &from, to);
}

void opening_first(const struct opening *wanted)
{
    asked = *wanted;
    atomic_store(&state, ASKED);
}

bool opening_ask(const struct opening *wanted)
{
    if (atomic_load(&state) != EMPTY)
        return false;
    asked = *wanted;
    return move(EMPTY, ASKED); /* it may have closed meanwhile */
}

bool opening_wait(struct opened *out)
{
    int64_t end = clock_mono_ns() + http_limits.open_ns;
    for (;;) {
        uint32_t now = atomic_load(&state);
        int64_t left = end - clock_mono_ns();
        if (now == ANSWERED) {
            *out = answer;
            move(ANSWERED, EMPTY); /* or it has closed since: then the listener is gone, too, which shows soon enough */
            return true;
        }
        if (now == CLOSED) {
            out->status = status_because(&out->why, STATUS_BUSY, "the server is still being closed");
            return true;
        }
        if (left > 0)
            lock_wait_word(&state, now, left);
        else if (move(ASKED, EMPTY) || move(TAKEN, GIVEN_UP))
            return false;
    }
}

bool opening_take(struct opening *wanted)
{
    if (!move(ASKED, TAKEN))
        return false;
    *wanted = asked;
    return true;
}

bool opening_answer(const struct opened *o)
{
    answer = *o;
    bool waited_for = move(TAKEN, ANSWERED);
    if (waited_for)
        lock_wake_word(&state);
    else
        atomic_store(&state, EMPTY);
    return waited_for;
}

void opening_close(void)
{
    atomic_store(&state, CLOSED);
    lock_wake_word(&state);
}

void opening_after_fork_child(void)
{
    atomic_store(&state, EMPTY);
}
