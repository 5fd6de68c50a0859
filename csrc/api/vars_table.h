/*
 * vars/ for a door that has no copy of its own, as the front has: Python's. Each is the function of that name in
 * vars/var.h, vars/map.h and vars/grace.h; structs are shared by inclusion. Part of what CPROF_CORE_ABI numbers.
 */
#ifndef CPROF_API_VARS_TABLE_H
#define CPROF_API_VARS_TABLE_H

#include "vars/map.h"

struct cprof_vars {
    struct var *(*var_new)(enum var_kind kind);
    struct var *(*var_new_function)(var_function *call, void *arg, void (*release)(void *arg));
    struct var *(*var_ref)(struct var *v);
    void (*var_drop)(struct var *v);

    void (*int_add)(struct var *v, int64_t delta);
    void (*int_set)(struct var *v, int64_t value);
    void (*float_add)(struct var *v, double delta);
    void (*float_set)(struct var *v, double value);
    bool (*string_set)(struct var *v, const char *bytes, size_t n);
    int64_t (*int_value)(const struct var *v);
    double (*float_value)(const struct var *v);
    const char *(*string_value)(const struct var *v, size_t *n);

    enum status (*map_add_int)(struct var *map, const char *key, size_t n, int64_t delta);
    enum status (*map_add_float)(struct var *map, const char *key, size_t n, double delta);
    enum status (*map_set)(struct var *map, const char *key, size_t n, struct var *value);
    struct var *(*map_get)(struct var *map, const char *key, size_t n);
    bool (*map_has)(struct var *map, const char *key, size_t n);
    size_t (*map_count)(struct var *map);
    void (*map_delete)(struct var *map, const char *key, size_t n);
    void (*map_clear)(struct var *map);
    const struct map_order *(*map_sorted)(struct var *map, struct map_order **own);
    void (*map_order_free)(struct map_order *own);

    unsigned (*grace_enter)(struct grace *g);
    void (*grace_leave)(struct grace *g, unsigned cell);
};

extern const struct cprof_vars vars_table;

#endif
