#include "sig/events.h"

#include "base/any/rawcall.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

#define BITS 64

struct event_cell event_cells[EVENTS_MAX];
_Atomic uint32_t events_open;

static _Atomic uint64_t asking[EVENTS_MAX / BITS];
static _Atomic(_Atomic uint32_t *) wake_word;

void events_wake(_Atomic uint32_t *word)
{
    atomic_store(&wake_word, word);
}

bool events_sent(const siginfo_t *info)
{
    return info->si_code == POLL_IN && info->si_fd >= 0 && info->si_fd < EVENTS_MAX &&
           atomic_load_explicit(&event_cells[info->si_fd].ever, memory_order_relaxed);
}

static void ask(uint32_t fd)
{
    _Atomic uint32_t *word = atomic_load_explicit(&wake_word, memory_order_relaxed);
    atomic_fetch_or_explicit(&asking[fd / BITS], UINT64_C(1) << fd % BITS, memory_order_release);
    if (!word)
        return;
    atomic_fetch_add_explicit(word, 1, memory_order_release);
    rawcall4(SYS_futex, (long)(uintptr_t)word, FUTEX_WAKE_PRIVATE, 1, 0);
}

bool events_count(const siginfo_t *info, int32_t *tid)
{
    struct event_cell *c = &event_cells[info->si_fd];
    *tid = atomic_load_explicit(&c->tid, memory_order_acquire);
    if (!*tid)
        return false;
    atomic_fetch_add_explicit(&c->came, 1, memory_order_relaxed);
    uint32_t left = atomic_load_explicit(&c->left, memory_order_relaxed);
    if (!left && atomic_load_explicit(&c->first, memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&c->kept, 1, memory_order_relaxed);
    if (left) {
        atomic_store_explicit(&c->left, left - 1, memory_order_relaxed);
        if (left == 1)
            ask((uint32_t)info->si_fd);
    }
    return true;
}

uint64_t events_asking(uint32_t word)
{
    if (!atomic_load_explicit(&asking[word], memory_order_relaxed))
        return 0;
    return atomic_exchange_explicit(&asking[word], 0, memory_order_acquire);
}

void events_forget(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit(&event_cells[i].tid, 0, memory_order_relaxed);
}
