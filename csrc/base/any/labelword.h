/*
 * The calling thread's labels: the number of a set (base/labels), in a thread-local of the first library that had one.
 *
 * The front and the core each have a word. Of the two in a process one is in force, and the other library finds it by
 * its distance from the thread pointer: static TLS lies equally far in every thread. No call is made, least of all into
 * the loader.
 */
#ifndef CPROF_BASE_ANY_LABELWORD_H
#define CPROF_BASE_ANY_LABELWORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One word, since it takes of the little static TLS that there is for libraries opened late, and read at once:
 *
 *     bits 0-19   the set; 0: none
 *     bits 20-41  the thread's id, of which Linux has 2^22; 0 until it first had labels
 *     bits 42-63  pushes since that found no room: as many pops change nothing
 *
 * Written by the thread itself only. */
struct label_word {
    _Atomic uint64_t bits;
};

#define LABEL_TID_SHIFT     20
#define LABEL_REFUSED_SHIFT 42
#define LABEL_SET_MASK      ((UINT64_C(1) << LABEL_TID_SHIFT) - 1)
#define LABEL_TID_MASK      ((UINT64_C(1) << (LABEL_REFUSED_SHIFT - LABEL_TID_SHIFT)) - 1)
#define LABEL_REFUSED_ONE   (UINT64_C(1) << LABEL_REFUSED_SHIFT)

static inline uint32_t label_set_in(uint64_t bits)
{
    return (uint32_t)(bits & LABEL_SET_MASK);
}

static inline int32_t label_tid_in(uint64_t bits)
{
    return (int32_t)(bits >> LABEL_TID_SHIFT & LABEL_TID_MASK);
}

/* Where a library's words are, shared by both. */
struct label_place {
    ptrdiff_t offset;  /* from the thread pointer */
    _Atomic bool used; /* some thread has, or had, labels */
};

extern _Thread_local struct label_word label_word_own;

/* In force; NULL: label_word_own, which only its own thread knows of. */
extern _Atomic(struct label_place *) label_place;

static inline uintptr_t label_thread_pointer(void)
{
    uintptr_t pointer;
#if defined(__x86_64__)
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
#elif defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#else
#error "cprof supports x86-64 and aarch64"
#endif
    return pointer;
}

/* On a thread that libc made. */
static inline struct label_word *label_word(void)
{
    const struct label_place *place = atomic_load_explicit(&label_place, memory_order_acquire);
    return place ? (struct label_word *)(label_thread_pointer() + (uintptr_t)place->offset) : &label_word_own;
}

static inline uint32_t label_set_now(void)
{
    return label_set_in(atomic_load_explicit(&label_word()->bits, memory_order_relaxed));
}

#endif
