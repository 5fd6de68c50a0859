#include "vars/var.h"

#include "vars/map.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct var) == 64, "a variable is one cache line");

/* By hand: a host may bring a malloc and a free of its own and nothing else, and then libc's aligned_alloc gives what
 * that free does not know. Where the block begins stands before it. */
static struct var *take_aligned(void)
{
    size_t line = _Alignof(struct var);
    char *block = malloc(sizeof(struct var) + line + sizeof(void *));
    if (!block)
        return NULL;
    char *at = block + sizeof(void *);
    at += line - (uintptr_t)at % line;
    memcpy(at - sizeof block, &block, sizeof block);
    return memset(at, 0, sizeof(struct var));
}

static void give_back(struct var *v)
{
    void *block;
    memcpy(&block, (char *)v - sizeof block, sizeof block);
    free(block);
}

struct var *var_new(enum var_kind kind)
{
    struct grace *g = grace_own();
    struct var *v = g ? take_aligned() : NULL;
    if (!v)
        return NULL;
    v->refs = 1;
    v->kind = (uint32_t)kind;
    v->grace = g;
    return v;
}

struct var *var_new_function(var_function *call, void *arg, void (*release)(void *arg))
{
    struct var *v = var_new(VAR_FUNC);
    if (v) {
        v->function.call = call;
        v->function.arg = arg;
        v->function.release = release;
    }
    return v;
}

struct var *var_new_own(void (*json)(struct buf *out), void (*metrics)(struct buf *out))
{
    struct var *v = var_new(VAR_OWN);
    if (v) {
        v->own.json = json;
        v->own.metrics = metrics;
    }
    return v;
}

struct var *var_ref(struct var *v)
{
    if (v)
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

static bool is_last(struct var *v)
{
    return v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1;
}

static void drop_last(struct var *v)
{
    if (v->kind == VAR_STRING)
        free(atomic_load(&v->text));
    else if (v->kind == VAR_FUNC && v->function.release)
        v->function.release(v->function.arg);
    give_back(v);
}

static void fall(void *falling, struct var *v)
{
    struct var **first = falling;
    if (!is_last(v))
        return;
    if (v->kind != VAR_MAP) {
        drop_last(v);
        return;
    }
    v->map.after = *first;
    *first = v;
}

/* Maps in maps in maps fall one after the other: so deep as they may lie no stack is. */
static void drop_maps(struct var *falling)
{
    while (falling) {
        struct var *v = falling;
        falling = v->map.after;
        map_let_go(v, fall, &falling);
        map_fini(v);
        give_back(v);
    }
}

/* Nobody reads it any more: who had found it in a map is past the grace of its entry. */
void var_drop(struct var *v)
{
    struct var *falling = NULL;
    fall(&falling, v);
    drop_maps(falling);
}

void var_int_add(struct var *v, int64_t delta)
{
    if (var_is(v, VAR_INT))
        atomic_fetch_add_explicit(&v->integer, delta, memory_order_relaxed);
}

void var_int_set(struct var *v, int64_t value)
{
    if (var_is(v, VAR_INT))
        atomic_store_explicit(&v->integer, value, memory_order_relaxed);
}

int64_t var_int(const struct var *v)
{
    return var_is(v, VAR_INT) ? atomic_load_explicit(&v->integer, memory_order_relaxed) : 0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double value_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void var_float_add(struct var *v, double delta)
{
    if (!var_is(v, VAR_FLOAT))
        return;
    uint64_t was = atomic_load_explicit(&v->real, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&v->real, &was, bits_of(value_of(was) + delta), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void var_float_set(struct var *v, double value)
{
    if (var_is(v, VAR_FLOAT))
        atomic_store_explicit(&v->real, bits_of(value), memory_order_relaxed);
}

double var_float(const struct var *v)
{
    return var_is(v, VAR_FLOAT) ? value_of(atomic_load_explicit(&v->real, memory_order_relaxed)) : 0;
}

static void free_text(struct garbage *self)
{
    free(self);
}

bool var_string_set(struct var *v, const char *bytes, size_t n)
{
    if (!var_is(v, VAR_STRING))
        return true;
    struct text *fresh = malloc(sizeof *fresh + n);
    if (!fresh)
        return false;
    fresh->garbage.free = free_text;
    fresh->n = n;
    memcpy(fresh->bytes, bytes, n);
    struct text *old = atomic_exchange(&v->text, fresh);
    grace_retire(v->grace, old ? &old->garbage : NULL);
    return true;
}

const char *var_string(const struct var *v, size_t *n)
{
    const struct text *t = var_is(v, VAR_STRING) ? atomic_load(&v->text) : NULL;
    *n = t ? t->n : 0;
    return t ? t->bytes : "";
}
