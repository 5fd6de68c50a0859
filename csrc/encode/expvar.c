#include "encode/expvar.h"

#include "encode/json.h"
#include "vars/published.h"

struct writer {
    struct buf *out;
    const struct functions *functions;
    bool met_function;
};

static void put_value(struct writer *w, struct var *v, int depth);

static void put_string(struct writer *w, const struct var *v)
{
    size_t n;
    unsigned cell = grace_enter(v->grace);
    const char *bytes = var_string(v, &n);
    json_put_string(w->out, bytes, n);
    grace_leave(v->grace, cell);
}

/* Values are read where they are: while the map's entries stay so do what they refer to. */
static void put_entries(struct writer *w, struct var *map, const char *comma, int depth)
{
    struct map_order *own;
    unsigned cell = grace_enter(map->grace);
    const struct map_order *order = map_sorted(map, &own);
    for (size_t i = 0; order && i < order->n && w->out->len <= EXPVAR_MAX_BYTES; i++) {
        const struct map_entry *e = order->at[i];
        if (i)
            buf_puts(w->out, comma);
        json_put_string(w->out, e->key, e->n);
        buf_put(w->out, ": ", 2);
        put_value(w, e->value, depth);
    }
    if (!order)
        w->out->failed = true;
    map_order_free(own);
    grace_leave(map->grace, cell);
}

static void put_map(struct writer *w, struct var *map, int depth)
{
    buf_put(w->out, "{", 1);
    put_entries(w, map, ", ", depth - 1);
    buf_put(w->out, "}", 1);
}

static void put_result(struct writer *w, const struct var *v)
{
    size_t n;
    const char *json = functions_result(w->functions, v, &n);
    w->met_function = true;
    buf_put(w->out, json, n);
}

/* Empty where the kernel does not tell. */
static void put_own(struct writer *w, const struct var *v)
{
    size_t before = w->out->len;
    v->own.json(w->out);
    if (w->out->len == before)
        buf_puts(w->out, "null");
}

static void put_value(struct writer *w, struct var *v, int depth)
{
    if (!v || !depth || w->out->len > EXPVAR_MAX_BYTES) {
        buf_puts(w->out, "null");
        return;
    }
    switch ((enum var_kind)v->kind) {
    case VAR_INT: json_put_int(w->out, var_int(v)); break;
    case VAR_FLOAT: json_put_float(w->out, var_float(v)); break;
    case VAR_STRING: put_string(w, v); break;
    case VAR_MAP: put_map(w, v, depth); break;
    case VAR_FUNC: put_result(w, v); break;
    case VAR_OWN: put_own(w, v); break;
    }
}

bool expvar_write(struct buf *out, const struct functions *functions)
{
    struct writer w = {.out = out, .functions = functions};
    struct var *names = published();
    buf_put(out, "{\n", 2);
    if (names)
        put_entries(&w, names, ",\n", EXPVAR_DEPTH);
    buf_put(out, "\n}\n", 3);
    return functions || !w.met_function;
}

bool expvar_write_value(struct buf *out, struct var *v, const struct functions *functions)
{
    struct writer w = {.out = out, .functions = functions};
    put_value(&w, v, EXPVAR_DEPTH);
    return functions || !w.met_function;
}
