/*
 * The variables of cprof.h. They are made and kept here, without the core, and given to it when it is there. Whichever
 * comes later finds the other in memory: the core's constructor calls cprof_front_join, ours asks for the core's table.
 * So publishing never asks the loader for anything.
 */
#include "door/vars.h"

#include "api/core_table.h"
#include "api/cprof.h"
#include "base/definition.h"
#include "door/labels.h"
#include "vars/published.h"

#include <stdio.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

static _Atomic(const struct cprof_core *) joined;
static atomic_bool has_functions;

/* A text that was handed out stays while the next few are written elsewhere. */
#define KEPT 8
static char kept[KEPT][256];
static _Atomic unsigned n_kept;
static _Atomic(const char *) latest;

const char *vars_last_error(void)
{
    const char *text = atomic_load(&latest);
    return text ? text : "";
}

static int fail(enum status status, const struct reason *why)
{
    if (status == STATUS_OK)
        return status;
    const char *text = why->text[0] ? why->text : status_text(status);
    const struct cprof_core *core = atomic_load(&joined);
    if (core)
        return core->fail(status, text);
    char *to = kept[atomic_fetch_add(&n_kept, 1) % KEPT];
    snprintf(to, sizeof kept[0], "%s", text);
    atomic_store(&latest, to);
    return status;
}

static struct var *inside(const struct cprof_var *v)
{
    return (struct var *)(uintptr_t)v;
}

static struct cprof_var *outside(struct var *v)
{
    return (struct cprof_var *)v;
}

/* Into ours first, then into the core's: so whoever joins the two meanwhile gives it once more, which is nothing new.
 * Python may have been faster with the name. */
static enum status publish(const char *name, struct var *v, struct reason *why)
{
    size_t n = strlen(name);
    enum status status = published_add(name, n, v, why);
    const struct cprof_core *core = atomic_load(&joined);
    if (status || !core)
        return status;
    status = (enum status)core->vars_publish(name, n, v);
    if (status) {
        published_withdraw(name, n);
        status_because(why, status, "%s", core->last_error());
    }
    return status;
}

PUBLIC void cprof_front_join(uint32_t abi, const struct cprof_core *core)
{
    struct var *names = published();
    struct map_order *own;
    if (abi != CPROF_CORE_ABI)
        return;
    labels_join(core);
    if (!names)
        return;
    atomic_store(&joined, core);
    unsigned cell = grace_enter(names->grace);
    const struct map_order *order = map_sorted(names, &own);
    for (size_t i = 0; order && i < order->n; i++)
        core->vars_publish(order->at[i]->key, order->at[i]->n, order->at[i]->value);
    map_order_free(own);
    grace_leave(names->grace, cell);
    if (atomic_load(&has_functions))
        core->vars_call();
}

/* A core that has been there before us. */
__attribute__((constructor)) static void join(void)
{
    void *at = definition_of(CPROF_CORE_SYMBOL, NULL);
    const struct cprof_core *(*ask)(uint32_t) = (const struct cprof_core *(*)(uint32_t))(uintptr_t)at;
    const struct cprof_core *core = ask ? ask(CPROF_CORE_ABI) : NULL;
    if (core)
        cprof_front_join(CPROF_CORE_ABI, core);
}

/* Gives up v where it cannot be published. */
static struct cprof_var *named(const char *name, struct var *v)
{
    struct reason why = {0};
    enum status status = !v ? STATUS_NOMEM : name ? publish(name, v, &why) : STATUS_OK;
    if (fail(status, &why) == STATUS_OK)
        return outside(v);
    var_drop(v);
    return NULL;
}

PUBLIC int cprof_publish(const char *name, struct cprof_var *v)
{
    struct reason why = {0};
    if (!v)
        return CPROF_OK;
    return fail(name ? publish(name, inside(v), &why) : STATUS_INVALID, &why);
}

PUBLIC void cprof_var_free(struct cprof_var *v)
{
    var_drop(inside(v));
}

PUBLIC struct cprof_var *cprof_int_new(const char *name)
{
    return named(name, var_new(VAR_INT));
}

PUBLIC void cprof_int_add(struct cprof_var *v, int64_t delta)
{
    var_int_add(inside(v), delta);
}

PUBLIC void cprof_int_set(struct cprof_var *v, int64_t value)
{
    var_int_set(inside(v), value);
}

PUBLIC int64_t cprof_int_value(const struct cprof_var *v)
{
    return var_int(inside(v));
}

PUBLIC struct cprof_var *cprof_float_new(const char *name)
{
    return named(name, var_new(VAR_FLOAT));
}

PUBLIC void cprof_float_add(struct cprof_var *v, double delta)
{
    var_float_add(inside(v), delta);
}

PUBLIC void cprof_float_set(struct cprof_var *v, double value)
{
    var_float_set(inside(v), value);
}

PUBLIC double cprof_float_value(const struct cprof_var *v)
{
    return var_float(inside(v));
}

PUBLIC struct cprof_var *cprof_string_new(const char *name)
{
    return named(name, var_new(VAR_STRING));
}

PUBLIC int cprof_string_set(struct cprof_var *v, const char *text)
{
    struct reason why = {0};
    bool set = var_string_set(inside(v), text ? text : "", text ? strlen(text) : 0);
    return fail(set ? STATUS_OK : STATUS_NOMEM, &why);
}

PUBLIC size_t cprof_string_value(const struct cprof_var *v, char *text, size_t room)
{
    size_t n = 0;
    if (room)
        *text = '\0';
    if (!var_is(inside(v), VAR_STRING))
        return 0;
    unsigned cell = grace_enter(inside(v)->grace);
    const char *bytes = var_string(inside(v), &n);
    if (room) {
        size_t copied = n < room ? n : room - 1;
        memcpy(text, bytes, copied);
        text[copied] = '\0';
    }
    grace_leave(inside(v)->grace, cell);
    return n;
}

PUBLIC struct cprof_var *cprof_map_new(const char *name)
{
    return named(name, var_new(VAR_MAP));
}

/* NULL, and what is no map, is not an error: a program that could not make its map goes on. */
static int map_result(struct cprof_var *map, enum status status)
{
    struct reason why = {0};
    return fail(var_is(inside(map), VAR_MAP) ? status : STATUS_OK, &why);
}

PUBLIC int cprof_map_add(struct cprof_var *map, const char *key, int64_t delta)
{
    return map_result(map, key ? map_add_int(inside(map), key, strlen(key), delta) : STATUS_INVALID);
}

PUBLIC int cprof_map_add_float(struct cprof_var *map, const char *key, double delta)
{
    return map_result(map, key ? map_add_float(inside(map), key, strlen(key), delta) : STATUS_INVALID);
}

PUBLIC int cprof_map_set(struct cprof_var *map, const char *key, struct cprof_var *v)
{
    return map_result(map, key ? map_set(inside(map), key, strlen(key), inside(v)) : STATUS_INVALID);
}

PUBLIC struct cprof_var *cprof_map_get(struct cprof_var *map, const char *key)
{
    return key ? outside(map_get(inside(map), key, strlen(key))) : NULL;
}

PUBLIC void cprof_map_delete(struct cprof_var *map, const char *key)
{
    if (key)
        map_delete(inside(map), key, strlen(key));
}

PUBLIC void cprof_map_clear(struct cprof_var *map)
{
    map_clear(inside(map));
}

PUBLIC struct cprof_var *cprof_func_new(const char *name, int (*fn)(void *arg, char *json, size_t room), void *arg)
{
    struct reason why = {0};
    if (!fn) {
        fail(STATUS_INVALID, &why);
        return NULL;
    }
    struct cprof_var *v = named(name, var_new_function(fn, arg, NULL));
    atomic_store(&has_functions, true);
    const struct cprof_core *core = atomic_load(&joined);
    if (core)
        core->vars_call();
    return v;
}
