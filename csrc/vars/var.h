/*
 * A variable of the program's: a number, a text, a map of variables, or a function that writes JSON. The same files are
 * part of the front (libcprof.so), where C code makes them without the core, and of the core, which renders them: both
 * sides read this struct, so it belongs to what CPROF_CORE_ABI numbers.
 *
 * Any thread, at any time after main or a constructor began, but in no signal handler. Functions of a kind do nothing
 * to a variable of another, and NULL is a variable of no kind. Adding and setting take no lock.
 */
#ifndef CPROF_VARS_VAR_H
#define CPROF_VARS_VAR_H

#include "base/turn.h"
#include "vars/grace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct map_order;
struct map_table;

enum var_kind { VAR_INT = 1, VAR_FLOAT, VAR_STRING, VAR_MAP, VAR_FUNC, VAR_OWN };

/* Writes at most room bytes of JSON, NUL included, as snprintf does; returns the length that there is, negative when
 * there is no value. May block. */
typedef int var_function(void *arg, char *json, size_t room);

struct text {
    struct garbage garbage;
    size_t n;
    char bytes[]; /* any */
};

/* On a cache line of its own, so that two counters do not slow each other down. */
struct var {
    _Alignas(64) _Atomic uint32_t refs;
    uint32_t kind;       /* enum var_kind; fixed, like everything that is not atomic here but the map's */
    struct grace *grace; /* of the copy that made it */
    union {
        _Atomic int64_t integer;
        _Atomic uint64_t real;                 /* the bits of a double */
        _Atomic(struct text *) text;           /* NULL: empty */
        struct {                               /* see vars/map.h */
            _Atomic(struct map_table *) table; /* NULL: empty */
            _Atomic(struct map_order *) order; /* NULL: not known */
            uint64_t generation;               /* this and the next two under grace_lock */
            size_t live;
            size_t used;       /* live ones and those whose slots are not free again */
            struct var *after; /* while it falls */
        } map;
        struct {
            var_function *call;
            void *arg;
            struct turn turn;
            void (*release)(void *arg); /* at the end of the variable; may be NULL */
        } function;
        struct { /* of the core's own: a value, and whole families; NULL: none */
            void (*json)(struct buf *out);
            void (*metrics)(struct buf *out);
        } own;
    };
};

/* With one reference, which the caller owns; zero, empty. NULL: out of memory. */
struct var *var_new(enum var_kind kind);
struct var *var_new_function(var_function *call, void *arg, void (*release)(void *arg));
struct var *var_new_own(void (*json)(struct buf *out), void (*metrics)(struct buf *out));

struct var *var_ref(struct var *v);
void var_drop(struct var *v);

void var_int_add(struct var *v, int64_t delta);
void var_int_set(struct var *v, int64_t value);
int64_t var_int(const struct var *v);

void var_float_add(struct var *v, double delta);
void var_float_set(struct var *v, double value);
double var_float(const struct var *v);

/* False: no memory, the old text stays. */
bool var_string_set(struct var *v, const char *bytes, size_t n);

/* The text and its length, valid until grace_leave(v->grace, ...); for whoever has entered. */
const char *var_string(const struct var *v, size_t *n);

static inline bool var_is(const struct var *v, enum var_kind kind)
{
    return v && v->kind == (uint32_t)kind;
}

#endif
