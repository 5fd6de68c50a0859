#include "base/lock.h"

#include "base/any/labelword.h"
#include "base/clock.h"

#include <assert.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef CPROF_CHECK
/* Ranks held by this thread, a bit each: enough to assert the order, small enough for static TLS. */
static _Thread_local uint32_t held_ranks;
#define CHECK_TAKE(l) (assert((held_ranks >> (l)->rank) == 0), held_ranks |= 1u << (l)->rank)
#define CHECK_DROP(l) (assert(held_ranks &(1u << (l)->rank)), held_ranks &= ~(1u << (l)->rank))
#else
#define CHECK_TAKE(l) ((void)(l))
#define CHECK_DROP(l) ((void)(l))
#endif

void lock_wait_word(_Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void lock_wake_word(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* --- around fork ------------------------------------------------------------------------------------------------- */

/* How long a fork is waited for, at most: then for none of those under way any more. */
#define FORK_PATIENCE_NS INT64_C(20000000)

static _Atomic uint32_t forks;    /* under way; waited on */
static _Atomic bool forks_linger; /* nobody waits for them */

/* Who forks, by thread pointer: static thread-locals are scarce, and a child's only thread has its parent's. One that
 * finds no place waits for itself as others do. */
#define FORKERS_MAX 16

static _Atomic uintptr_t forkers[FORKERS_MAX];

static bool replace_forker(uintptr_t is, uintptr_t by)
{
    for (size_t i = 0; i < FORKERS_MAX; i++) {
        uintptr_t there = is;
        if (atomic_compare_exchange_strong(&forkers[i], &there, by))
            return true;
    }
    return false;
}

void lock_fork_begins(void)
{
    replace_forker(0, label_thread_pointer());
    atomic_fetch_add(&forks, 1);
}

void lock_fork_ended(void)
{
    replace_forker(label_thread_pointer(), 0);
    if (atomic_fetch_sub(&forks, 1) == 1)
        atomic_store(&forks_linger, false);
    lock_wake_word(&forks);
}

void lock_fork_child(void)
{
    for (size_t i = 0; i < FORKERS_MAX; i++)
        atomic_store(&forkers[i], 0);
    atomic_store(&forks, 0);
    atomic_store(&forks_linger, false);
}

bool lock_is_forking(void)
{
    return atomic_load(&forks) != 0;
}

bool lock_is_forking_here(void)
{
    uintptr_t self = label_thread_pointer();
    for (size_t i = 0; i < FORKERS_MAX; i++)
        if (atomic_load(&forkers[i]) == self)
            return true;
    return false;
}

static void let_fork(void)
{
    uint32_t seen = atomic_load_explicit(&forks, memory_order_relaxed);
    if (!seen || lock_is_forking_here())
        return;
    int64_t end = clock_mono_ns() + FORK_PATIENCE_NS;
    while ((seen = atomic_load(&forks)) && !atomic_load(&forks_linger)) {
        int64_t left = end - clock_mono_ns();
        if (left <= 0)
            atomic_store(&forks_linger, true);
        else
            lock_wait_word(&forks, seen, left);
    }
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

void lock_take(struct lock *l)
{
    CHECK_TAKE(l);
    let_fork();
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(&l->word, &seen, 1, memory_order_acquire, memory_order_relaxed))
        return;
    /* From here on the word is taken as 2: whoever drops it then wakes the next waiter. */
    while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
        lock_wait_word(&l->word, 2, -1);
}

bool lock_take_within(struct lock *l, int64_t ns)
{
    int64_t end = clock_mono_ns() + ns;
    uint32_t seen = 0;
    let_fork();
    if (!atomic_compare_exchange_strong_explicit(&l->word, &seen, 1, memory_order_acquire, memory_order_relaxed)) {
        while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0) {
            int64_t left = end - clock_mono_ns();
            if (left <= 0)
                return false; /* the word stays 2: one needless wake, nothing more */
            lock_wait_word(&l->word, 2, left);
        }
    }
    CHECK_TAKE(l);
    return true;
}

void lock_drop(struct lock *l)
{
    CHECK_DROP(l);
    if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
        syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool lock_is_wanted(const struct lock *l)
{
    return atomic_load_explicit(&l->word, memory_order_relaxed) == 2;
}

void lock_reset_after_fork(struct lock *l)
{
    atomic_store_explicit(&l->word, 0, memory_order_relaxed);
#ifdef CPROF_CHECK
    held_ranks = 0;
#endif
}
