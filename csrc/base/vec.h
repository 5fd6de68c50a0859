/*
 * Growable columns of plain numbers: struct vec_u32, vec_u64, vec_i64 with `at`, `n`, `cap`.
 * A zeroed vector is empty and valid. For ordinary threads only: it uses realloc.
 */
#ifndef CPROF_BASE_VEC_H
#define CPROF_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses */
#define VEC_DEFINE(name, type)                                                                                         \
    struct name {                                                                                                      \
        type *at;                                                                                                      \
        size_t n;                                                                                                      \
        size_t cap;                                                                                                    \
    };                                                                                                                 \
    static inline bool name##_reserve(struct name *v, size_t more)                                                     \
    {                                                                                                                  \
        if (more <= v->cap - v->n)                                                                                     \
            return true;                                                                                               \
        size_t want = v->cap ? v->cap * 2 : 16;                                                                        \
        while (want < v->n + more)                                                                                     \
            want *= 2;                                                                                                 \
        type *grown = realloc(v->at, want * sizeof(type));                                                             \
        if (!grown)                                                                                                    \
            return false;                                                                                              \
        v->at = grown;                                                                                                 \
        v->cap = want;                                                                                                 \
        return true;                                                                                                   \
    }                                                                                                                  \
    static inline bool name##_push(struct name *v, type value)                                                         \
    {                                                                                                                  \
        if (!name##_reserve(v, 1))                                                                                     \
            return false;                                                                                              \
        v->at[v->n++] = value;                                                                                         \
        return true;                                                                                                   \
    }                                                                                                                  \
    static inline void name##_fini(struct name *v)                                                                     \
    {                                                                                                                  \
        free(v->at);                                                                                                   \
        *v = (struct name){0};                                                                                         \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

VEC_DEFINE(vec_u32, uint32_t)
VEC_DEFINE(vec_u64, uint64_t)
VEC_DEFINE(vec_i64, int64_t)

#endif
