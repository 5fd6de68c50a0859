#include "sampler/vacated.h"

#include "base/atfork.h"
#include "base/clock.h"
#include "base/lock.h"

#include <stdbool.h>
#include <string.h>

/* A dying program asks for them at any instruction, perhaps of ours. */
#define PATIENCE_NS 100000000

struct place {
    uint64_t low, high;
    uint64_t fingerprint; /* of who left */
    int64_t left_ns;      /* when, at the latest */
    bool is_mixed;        /* several lay there */
    bool is_back;         /* who left lies there again */
};

static struct lock lock = LOCK_INIT(LOCK_VACATED);
static struct place places[VACATED_MAX]; /* under the lock; by left_ns, the latest last */
static size_t n_places;

static bool overlaps(const struct place *p, uint64_t low, uint64_t high)
{
    return p->low < high && low < p->high;
}

static bool is_of(const struct place *p, uint64_t low, uint64_t high, uint64_t fingerprint)
{
    return p->low == low && p->high == high && p->fingerprint == fingerprint;
}

static void take_out(size_t i)
{
    n_places--;
    memmove(&places[i], &places[i + 1], (n_places - i) * sizeof *places);
}

/* Places that overlap become one. */
void vacated_left(uint64_t low, uint64_t high, uint64_t fingerprint)
{
    lock_take(&lock);
    struct place new = {.low = low, .high = high, .fingerprint = fingerprint, .left_ns = clock_mono_ns()};
    for (size_t i = n_places; i-- > 0;) {
        const struct place p = places[i];
        if (!overlaps(&p, low, high))
            continue;
        new.is_mixed |= p.is_mixed || !is_of(&p, low, high, fingerprint);
        new.low = p.low < new.low ? p.low : new.low;
        new.high = p.high > new.high ? p.high : new.high;
        take_out(i);
    }
    if (n_places == VACATED_MAX)
        take_out(0);
    places[n_places++] = new;
    lock_drop(&lock);
}

void vacated_entered(uint64_t low, uint64_t high, uint64_t fingerprint)
{
    lock_take(&lock);
    for (size_t i = 0; i < n_places; i++) {
        struct place *p = &places[i];
        if (!overlaps(p, low, high))
            continue;
        p->is_back = is_of(p, low, high, fingerprint);
        p->is_mixed |= !p->is_back;
    }
    lock_drop(&lock);
}

void vacated_since(int64_t since_ns, struct vacated *out)
{
    out->n = 0;
    if (!lock_take_within(&lock, PATIENCE_NS))
        return;
    for (size_t i = 0; i < n_places; i++) {
        const struct place *p = &places[i];
        if (p->left_ns >= since_ns && (p->is_mixed || !p->is_back))
            out->at[out->n++] = (struct vacated_place){p->low, p->high};
    }
    lock_drop(&lock);
}

static void fork_after_child(void)
{
    lock_reset_after_fork(&lock);
    n_places = 0;
}

void vacated_prepare(void)
{
    static const struct atfork_hooks fork_hooks = {
        .rank = LOCK_VACATED,
        .lock = &lock,
        .after_child = fork_after_child,
    };
    atfork_register(&fork_hooks);
}
