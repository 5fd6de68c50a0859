#include "sig/rows.h"

#include "base/any/rawcall.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

static _Atomic(const struct rows_map *) current;
static _Atomic uint32_t walkers;
static _Atomic(_Atomic uint32_t *) to_wake;
static _Atomic bool may_want, wanted;

const struct rows_map *rows_current(void)
{
    return atomic_load_explicit(&current, memory_order_seq_cst);
}

const struct rows_map *rows_publish(const struct rows_map *map)
{
    return atomic_exchange_explicit(&current, map, memory_order_seq_cst);
}

/* Before rows_current, both sequentially consistent: as tick's count. */
void rows_enter(void)
{
    atomic_fetch_add_explicit(&walkers, 1, memory_order_seq_cst);
}

void rows_leave(void)
{
    atomic_fetch_sub_explicit(&walkers, 1, memory_order_release);
}

bool rows_quiet(void)
{
    return atomic_load_explicit(&walkers, memory_order_seq_cst) == 0;
}

void rows_after_fork_child(void)
{
    atomic_store_explicit(&walkers, 0, memory_order_relaxed);
}

void rows_wake(_Atomic uint32_t *word)
{
    atomic_store_explicit(&to_wake, word, memory_order_release);
}

void rows_want(void)
{
    _Atomic uint32_t *word = atomic_load_explicit(&to_wake, memory_order_acquire);
    if (!word || !atomic_load_explicit(&may_want, memory_order_relaxed) || !atomic_exchange(&may_want, false))
        return;
    atomic_store(&wanted, true);
    atomic_fetch_add(word, 1);
    rawcall4(SYS_futex, (long)(uintptr_t)word, FUTEX_WAKE_PRIVATE, 1, 0);
}

bool rows_wanted(void)
{
    return atomic_load(&wanted);
}

void rows_answer(bool may)
{
    atomic_store(&wanted, false);
    if (may)
        atomic_store(&may_want, true);
}

const struct rows_module *rows_module_of(const struct rows_map *map, uint64_t pc)
{
    uint32_t low = 0, high = map->n_modules;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pc >= map->modules[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->n_modules && pc >= map->modules[low].low ? &map->modules[low] : NULL;
}

const struct row *rows_find(const struct rows_module *m, uint64_t pc)
{
    uint32_t at = (uint32_t)(pc - m->low), low = 0, high = m->n_rows;
    while (low < high) { /* the first row beyond at */
        uint32_t middle = low + (high - low) / 2;
        if (m->rows[middle].pc <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &m->rows[low - 1] : NULL;
}
