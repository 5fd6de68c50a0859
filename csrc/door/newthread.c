/*
 * A thread begins with the labels of the thread that makes it. libc tells nobody who that was, so this library has
 * pthread_create and thrd_create, which stand before libc's: it is linked by the program, and so found first by the
 * program and all its libraries.
 *
 * Without labels a call goes straight on. With labels the new thread begins in a function of ours, which leaves no
 * frame behind. What that has to know is in memory of ours, taken and given back without a lock: the host may hold any
 * of its own, and another thread may be forking.
 */
#include "base/definition.h"
#include "base/labels.h"
#include "base/slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <threads.h>

#define PUBLIC __attribute__((visibility("default")))

/* Threads that were made and have not begun yet. Beyond it they begin without labels. */
#define STARTS_MAX 16384u

struct start {
    void *(*run)(void *);
    thrd_start_t run_c11;
    void *arg;
    uint32_t labels;
    _Atomic uint32_t next; /* while it is free: number + 1 of the next one that is; 0: none */
};

static _Atomic(void *) starts;
static _Atomic uint32_t fresh; /* how many were ever used */
static _Atomic uint64_t
    first_free; /* number + 1; above it a count of changes, so that an old value is never met again */

static struct start *table(void)
{
    void *there = atomic_load_explicit(&starts, memory_order_acquire);
    if (there)
        return there;
    int saved = errno;
    void *made = slab_pages(STARTS_MAX * sizeof(struct start));
    if (made && atomic_compare_exchange_strong(&starts, &there, made))
        there = made;
    else
        slab_pages_free(made, STARTS_MAX * sizeof(struct start));
    errno = saved;
    return there;
}

static uint64_t changed(uint64_t was, uint32_t first)
{
    return ((was >> 32) + 1) << 32 | first;
}

static struct start *take(void)
{
    struct start *all = table();
    uint64_t was = atomic_load(&first_free);
    if (!all)
        return NULL;
    while ((uint32_t)was) {
        struct start *s = &all[(uint32_t)was - 1];
        uint32_t next = atomic_load_explicit(&s->next, memory_order_relaxed);
        if (atomic_compare_exchange_weak(&first_free, &was, changed(was, next)))
            return s;
    }
    uint32_t n = atomic_load(&fresh);
    while (n < STARTS_MAX)
        if (atomic_compare_exchange_weak(&fresh, &n, n + 1))
            return &all[n];
    return NULL;
}

static void give_back(struct start *s)
{
    uint64_t was = atomic_load(&first_free);
    do {
        atomic_store_explicit(&s->next, (uint32_t)was, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&first_free, &was, changed(was, (uint32_t)(s - table()) + 1)));
}

/* NULL: the caller goes on as if we were not there. */
static struct start *prepare(void *(*run)(void *), thrd_start_t run_c11, void *arg)
{
    uint32_t labels = label_set_now();
    struct start *s = labels ? take() : NULL;
    if (s) {
        s->run = run;
        s->run_c11 = run_c11;
        s->arg = arg;
        s->labels = labels;
    }
    return s;
}

/* The last call of each is a jump: the thread's stack is as it would be without us. */
static void *begin(void *start)
{
    struct start *s = start;
    void *(*run)(void *) = s->run;
    void *arg = s->arg;
    uint32_t labels = s->labels;
    give_back(s);
    labels_inherit(labels);
    return run(arg);
}

static int begin_c11(void *start)
{
    struct start *s = start;
    thrd_start_t run = s->run_c11;
    void *arg = s->arg;
    uint32_t labels = s->labels;
    give_back(s);
    labels_inherit(labels);
    return run(arg);
}

typedef int create_pthread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int create_c11(thrd_t *, thrd_start_t, void *);

static _Atomic(create_pthread *) next_pthread;
static _Atomic(create_c11 *) next_c11;

/* The definition behind ours; where this library was opened late all are before it. */
static void *definition_behind(const char *name, uintptr_t ours)
{
    void *at = definition_of(name, _DYNAMIC);
    if (!at)
        at = definition_of(name, NULL);
    return (uintptr_t)at == ours ? NULL : at;
}

/* While nobody loads or unloads anything; a library's constructor may have called before. */
__attribute__((constructor)) static void find_behind(void)
{
    void *at = definition_behind("pthread_create", (uintptr_t)&pthread_create);
    atomic_store_explicit(&next_pthread, (create_pthread *)(uintptr_t)at, memory_order_release);
    at = definition_behind("thrd_create", (uintptr_t)&thrd_create);
    atomic_store_explicit(&next_c11, (create_c11 *)(uintptr_t)at, memory_order_release);
}

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    if (!atomic_load_explicit(&next_pthread, memory_order_acquire))
        find_behind();
    create_pthread *next = atomic_load_explicit(&next_pthread, memory_order_acquire);
    if (!next)
        return EAGAIN;
    struct start *s = prepare(run, NULL, arg);
    if (!s)
        return next(thread, attributes, run, arg);
    int failed = next(thread, attributes, begin, s);
    if (failed)
        give_back(s);
    return failed;
}

PUBLIC int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
    if (!atomic_load_explicit(&next_c11, memory_order_acquire))
        find_behind();
    create_c11 *next = atomic_load_explicit(&next_c11, memory_order_acquire);
    if (!next)
        return thrd_error;
    struct start *s = prepare(NULL, run, arg);
    if (!s)
        return next(thread, run, arg);
    int result = next(thread, begin_c11, s);
    if (result != thrd_success)
        give_back(s);
    return result;
}
