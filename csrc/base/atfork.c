#include "base/atfork.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static struct lock table_lock = LOCK_INIT(LOCK_LEAF);
static const struct atfork_hooks *table[ATFORK_MAX]; /* by rising rank */
static size_t table_n;
static bool installed;

/* The table only grows and only under table_lock, which before_fork holds until the fork is over. */
static void before_fork(void)
{
    for (size_t i = 0; i < table_n; i++)
        if (table[i]->before)
            table[i]->before();
}

static void after_fork_parent(void)
{
    for (size_t i = table_n; i-- > 0;)
        if (table[i]->after_parent)
            table[i]->after_parent();
}

static void after_fork_child(void)
{
    for (size_t i = table_n; i-- > 0;)
        if (table[i]->after_child)
            table[i]->after_child();
}

void atfork_register(const struct atfork_hooks *hooks)
{
    lock_take(&table_lock);
    size_t at = table_n;
    for (size_t i = 0; i < table_n; i++)
        if (table[i] == hooks)
            goto done;
    assert(table_n < ATFORK_MAX);
    for (; at > 0 && table[at - 1]->rank > hooks->rank; at--)
        table[at] = table[at - 1];
    table[at] = hooks;
    table_n++;
    if (!installed)
        installed = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
done:
    lock_drop(&table_lock);
}
