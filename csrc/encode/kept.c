#include "encode/kept.h"

#include "base/atfork.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <string.h>

static struct lock lock = LOCK_INIT(LOCK_LEAF);
static struct kept *all; /* that were ever asked for, for a fork's child; under lock */

/* A text that was being replaced may have the bytes of one and the length of another: none is used then. */
static void after_fork_child(void)
{
    bool torn = atomic_load(&lock.word) != 0;
    lock_reset_after_fork(&lock);
    for (struct kept *k = all; k; k = k->next) {
        pace_reset(&k->pace);
        if (torn)
            k->text = (struct buf){0};
    }
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

static void know(struct kept *k)
{
    atfork_register(&fork_hooks);
    lock_take(&lock);
    if (!k->known) {
        k->known = true;
        k->next = all;
        all = k;
    }
    lock_drop(&lock);
}

/* A text that could not be written does not take the place of one that could. */
static void refill(struct kept *k)
{
    struct buf fresh = {0}, old;
    k->fill(&fresh);
    lock_take(&lock);
    old = fresh.failed ? fresh : k->text;
    if (!fresh.failed)
        k->text = fresh;
    lock_drop(&lock);
    buf_fini(&old);
}

/* Nothing is allocated under the lock: room first, and again where the text grew meanwhile. */
static bool copy(const struct kept *k, struct buf *out)
{
    for (size_t want = 0;;) {
        char *room = want ? buf_reserve(out, want) : NULL;
        if (want && !room)
            return true;
        lock_take(&lock);
        size_t n = k->text.len;
        bool fits = n && n <= want;
        if (fits)
            memcpy(room, k->text.data, n);
        lock_drop(&lock);
        if (fits)
            out->len += n;
        if (fits || !n)
            return fits;
        want = n;
    }
}

void kept_put(struct kept *k, struct buf *out)
{
    know(k);
    if (pace_begin(&k->pace)) {
        refill(k);
        pace_end(&k->pace);
    }
    /* The very first is being written on another thread, or there was no memory. */
    if (!copy(k, out))
        k->fill(out);
}
