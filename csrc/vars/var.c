#include "vars/var.h"

#include "vars/map.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct var) == 64, "a variable is one cache line");

struct var *var_new(enum var_kind kind)
{
    struct grace *g = grace_own();
    struct var *v = g ? aligned_alloc(_Alignof(struct var), sizeof *v) : NULL;
    if (!v)
        return NULL;
    memset(v, 0, sizeof *v);
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

/* Nobody reads it any more: who had found it in a map is past the grace of its entry. */
void var_drop(struct var *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (v->kind == VAR_STRING)
        free(atomic_load(&v->text));
    else if (v->kind == VAR_MAP)
        map_fini(v);
    else if (v->kind == VAR_FUNC && v->function.release)
        v->function.release(v->function.arg);
    free(v);
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
