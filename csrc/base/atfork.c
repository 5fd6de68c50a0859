#include "base/atfork.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static struct lock table_lock = LOCK_INIT(LOCK_LEAF);
static const struct atfork_hooks *table[ATFORK_MAX]; /* append-only */
static _Atomic size_t table_n;
static bool installed;

/* The process that the rooms' state belongs to; 0 before the first registration. */
static _Atomic pid_t owner;

/* A lock that is not free by then is held by somebody who waits, perhaps for this fork's end. Where the loader is just
 * being asked it may be worth the time: the child would find the loader's own lock held by nobody. */
#define PATIENCE_NS INT64_C(200000000)

static void before_fork(void)
{
    size_t n = atomic_load_explicit(&table_n, memory_order_acquire);
    lock_fork_begins();
    for (uint32_t rank = LOCK_ALONE; rank <= LOCK_LEAF; rank++)
        for (size_t i = 0; i < n; i++)
            if (table[i]->rank == rank && table[i]->lock && lock_take_within(table[i]->lock, PATIENCE_NS))
                lock_drop(table[i]->lock);
}

static void after_fork_parent(void)
{
    lock_fork_ended();
}

static void reset_rooms(void)
{
    size_t n = atomic_load_explicit(&table_n, memory_order_acquire);
    lock_fork_child();
    lock_reset_after_fork(&table_lock);
    for (uint32_t rank = LOCK_LEAF; rank >= LOCK_ALONE; rank--)
        for (size_t i = 0; i < n; i++)
            if (table[i]->rank == rank && table[i]->after_child)
                table[i]->after_child();
}

/* A child in a namespace of its own may have its parent's number. Who has settled before is not forking any more. */
static void after_fork_child(void)
{
    if (lock_is_forking_here()) {
        atomic_store(&owner, getpid());
        reset_rooms();
    }
}

void atfork_settle(void)
{
    pid_t was = atomic_load(&owner), self = getpid();
    if (was && was != self && atomic_compare_exchange_strong(&owner, &was, self))
        reset_rooms();
}

void atfork_register(const struct atfork_hooks *hooks)
{
    lock_take(&table_lock);
    size_t n = atomic_load_explicit(&table_n, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        if (table[i] == hooks)
            goto done;
    if (n == ATFORK_MAX)
        goto done;
    table[n] = hooks;
    atomic_store_explicit(&table_n, n + 1, memory_order_release);
    pid_t none = 0;
    atomic_compare_exchange_strong(&owner, &none, getpid());
    if (!installed)
        installed = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
done:
    lock_drop(&table_lock);
}
