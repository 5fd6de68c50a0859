/*
 * A mutex over futex(2). Never a pthread mutex: the host's are watched, and ours must not show up among
 * them. For ordinary threads only; nothing in sig/ takes a lock.
 *
 * A thread takes locks in rising rank; a -DCPROF_CHECK build asserts it. Every rank is listed here.
 */
#ifndef CPROF_BASE_LOCK_H
#define CPROF_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
    LOCK_VARS = 0,  /* vars/grace: taken with none of ours held, on memory that fork zeroes */
    LOCK_ALONE = 1, /* hook/alone: while the host makes a call for which ours go */
    LOCK_API,       /* a public call that starts or stops something */
    LOCK_SERVER,    /* http/server: the one server of the process */
    LOCK_WORK,      /* http/work: the queue between event loop and worker */
    LOCK_REFRESH,   /* sampler/modules: a whole refresh; threads of ours alone */
    LOCK_CPU,       /* sampler/cpu: windows, timers, the drain */
    LOCK_MODULES,   /* sampler/modules: while the loader is asked */
    LOCK_PAGES,     /* http/pages: the program's own */
    LOCK_VACATED,   /* sampler/vacated, symbol/known: leaves that a fork waits for, one after the other */
    LOCK_KNOWN,
    LOCK_LEAF, /* guards a few words, calls nothing */
};

struct lock {
    _Atomic uint32_t word; /* 0 free, 1 held, 2 held and somebody waits */
    uint32_t rank;
};

#define LOCK_INIT(r)                                                                                                   \
    {                                                                                                                  \
        .word = 0, .rank = (r)                                                                                         \
    }

void lock_take(struct lock *l);
void lock_drop(struct lock *l);

/* Tries for so long; false: not taken. */
bool lock_take_within(struct lock *l, int64_t ns);

/* Does somebody wait for it? To the holder. */
bool lock_is_wanted(const struct lock *l);

/* In a fork's child, where the holder no longer exists. */
void lock_reset_after_fork(struct lock *l);

/*
 * Around fork(). A lock of ours that is held meanwhile stays held in the child for ever; but to hold them ourselves
 * would be worse: the host's own fork handlers run in between, and wait for threads that wait for us. So whoever wants
 * a lock while another thread forks waits for a moment first: then mostly none is held at the fork. Where one is, the
 * room that it guards begins anew in the child.
 */
void lock_fork_begins(void);
void lock_fork_ended(void);
void lock_fork_child(void);

/* Does some thread fork now? Does this one, or is it the child's that has not been told yet? */
bool lock_is_forking(void);
bool lock_is_forking_here(void);

/* Waits until *word differs from seen, at most timeout_ns (negative = for ever). May return early. */
void lock_wait_word(_Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns);
void lock_wake_word(_Atomic uint32_t *word);

#endif
