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

/* How many rooms had registered when this thread began to fork: one that registers meanwhile has taken no
 * lock before, so it must drop none after. */
static _Thread_local size_t forking_n;

/* The process that the rooms' state belongs to; 0 before the first registration. */
static _Atomic pid_t owner;

static void before_fork(void)
{
    forking_n = atomic_load_explicit(&table_n, memory_order_acquire);
    for (uint32_t rank = LOCK_ALONE; rank <= LOCK_LEAF; rank++)
        for (size_t i = 0; i < forking_n; i++)
            if (table[i]->rank == rank && table[i]->before)
                table[i]->before();
}

static void after_fork_parent(void)
{
    for (uint32_t rank = LOCK_LEAF; rank >= LOCK_ALONE; rank--)
        for (size_t i = 0; i < forking_n; i++)
            if (table[i]->rank == rank && table[i]->after_parent)
                table[i]->after_parent();
}

static void reset_rooms(size_t n)
{
    lock_reset_after_fork(&table_lock);
    for (uint32_t rank = LOCK_LEAF; rank >= LOCK_ALONE; rank--)
        for (size_t i = 0; i < n; i++)
            if (table[i]->rank == rank && table[i]->after_child)
                table[i]->after_child();
}

static void after_fork_child(void)
{
    atomic_store(&owner, getpid());
    reset_rooms(forking_n);
}

void atfork_settle(void)
{
    pid_t was = atomic_load(&owner), self = getpid();
    if (was && was != self && atomic_compare_exchange_strong(&owner, &was, self))
        reset_rooms(atomic_load_explicit(&table_n, memory_order_acquire));
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
