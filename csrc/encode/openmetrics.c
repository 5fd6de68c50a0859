#include "encode/openmetrics.h"

#include "encode/expvar.h"
#include "encode/json.h"
#include "vars/published.h"

#include <math.h>
#include <string.h>

struct writer {
    struct buf *out;
    const struct functions *functions;
    bool met_function;
    struct var *names; /* families so far, as keys */

    /* the family that is written */
    struct buf name;
    const char *type; /* NULL: its head is written */
    struct var *keys; /* labels so far */
    struct buf label;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

/* But for the underscore, which others become too. */
static bool is_word(char c)
{
    return c != '_' && (is_letter(c) || (c >= '0' && c <= '9'));
}

/* Of two that are the same the second gets a number. The ending that makes a text's sample is no gauge's: a gauge
 * `x_info` beside a text `x` would be two values of one sample. And `cprof_` begins the names of cprof's own. */
static void find_name(struct writer *w, const char *name, size_t n)
{
    struct buf *b = &w->name;
    b->len = 0;
    if (!n || !is_letter(name[0]) || (n >= 6 && memcmp(name, "cprof", 5) == 0 && !is_word(name[5])))
        buf_put(b, "_", 1);
    for (size_t i = 0; i < n; i++)
        buf_put(b, is_letter(name[i]) || (name[i] >= '0' && name[i] <= '9') ? name + i : "_", 1);
    if (!b->failed && b->len >= 5 && memcmp(b->data + b->len - 5, "_info", 5) == 0)
        buf_put(b, "_", 1);
    size_t bare = b->len;
    for (unsigned i = 2; !b->failed && map_put_new(w->names, b->data, b->len, NULL) == STATUS_IN_USE; i++) {
        b->len = bare;
        buf_printf(b, "_%u", i);
    }
    if (b->failed)
        w->out->failed = true;
}

/* A family begins; its head waits for the first sample. */
static void begin(struct writer *w, const char *type, const char *name, size_t n)
{
    w->type = type;
    find_name(w, name, n);
}

static void put_head(struct writer *w)
{
    if (!w->type)
        return;
    buf_puts(w->out, "# TYPE ");
    buf_put(w->out, w->name.data, w->name.len);
    buf_printf(w->out, " %s\n", w->type);
    w->type = NULL;
}

static void set_label(struct writer *w, const char *bytes, size_t n)
{
    w->label.len = 0;
    while (n) {
        size_t wide = json_utf8(bytes, n);
        if (!wide)
            buf_puts(&w->label, "\xef\xbf\xbd");
        else if (*bytes == '\n')
            buf_puts(&w->label, "\\n");
        else {
            if (*bytes == '"' || *bytes == '\\')
                buf_puts(&w->label, "\\");
            buf_put(&w->label, bytes, wide);
        }
        wide += !wide;
        bytes += wide, n -= wide;
    }
    if (w->label.failed)
        w->out->failed = true;
}

/* Everything of a sample but its value; false: the family has one with this key, after all is said that the format
 * can say about the two keys. */
static bool put_sample(struct writer *w, const char *suffix, const char *label)
{
    if (label && w->keys && map_put_new(w->keys, w->label.data ? w->label.data : "", w->label.len, NULL) != STATUS_OK)
        return false;
    put_head(w);
    buf_put(w->out, w->name.data, w->name.len);
    buf_puts(w->out, suffix);
    if (label) {
        buf_printf(w->out, "{%s=\"", label);
        buf_put(w->out, w->label.data, w->label.len);
        buf_puts(w->out, "\"}");
    }
    buf_puts(w->out, " ");
    return true;
}

static void put_float(struct buf *out, double value)
{
    if (isfinite(value))
        json_put_float(out, value);
    else
        buf_puts(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

static void put_number(struct writer *w, const struct var *v)
{
    if (v->kind == VAR_INT)
        json_put_int(w->out, var_int(v));
    else
        put_float(w->out, var_float(v));
    buf_puts(w->out, "\n");
}

static bool is_number(const char *text)
{
    return *text == '-' || (*text >= '0' && *text <= '9');
}

/* The value that c is before; label NULL: the family has none. */
static void put_json_number(struct writer *w, struct json_cursor *c, const char *label)
{
    const char *from = c->at;
    json_skip(c);
    if (!is_number(from) || !put_sample(w, "", label))
        return;
    buf_put(w->out, from, (size_t)(c->at - from));
    buf_puts(w->out, "\n");
}

static void put_json_object(struct writer *w, struct json_cursor *c)
{
    struct buf key = {0};
    while (json_next(c)) {
        key.len = 0;
        json_take_string(c, &key);
        set_label(w, key.data, key.len);
        json_blank(c);
        c->at++; /* the colon */
        json_blank(c);
        put_json_number(w, c, "key");
    }
    buf_fini(&key);
}

/* What a function has written. */
static void take_json(struct writer *w, struct var *v, struct buf *json)
{
    w->met_function = true;
    expvar_write_value(json, v, w->functions);
    if (json->failed)
        w->out->failed = true;
}

static void put_written(struct writer *w, struct var *v)
{
    struct buf json = {0};
    take_json(w, v, &json);
    struct json_cursor c = {.at = json.data, .end = json.data + json.len};
    if (json.failed || !json.len)
        ;
    else if (*c.at == '{')
        put_json_object(w, &c);
    else
        put_json_number(w, &c, NULL);
    buf_fini(&json);
}

static void put_entry(struct writer *w, const struct map_entry *e)
{
    struct var *v = e->value;
    set_label(w, e->key, e->n);
    if (var_is(v, VAR_INT) || var_is(v, VAR_FLOAT)) {
        if (put_sample(w, "", "key"))
            put_number(w, v);
    } else if (var_is(v, VAR_FUNC)) {
        struct buf json = {0};
        take_json(w, v, &json);
        struct json_cursor c = {.at = json.data, .end = json.data + json.len};
        if (!json.failed && json.len)
            put_json_number(w, &c, "key");
        buf_fini(&json);
    }
}

static void each_entry(struct writer *w, struct var *map, void (*put)(struct writer *w, const struct map_entry *e))
{
    struct map_order *own;
    unsigned cell = grace_enter(map->grace);
    const struct map_order *order = map_sorted(map, &own);
    for (size_t i = 0; order && i < order->n && w->out->len <= EXPVAR_MAX_BYTES; i++)
        put(w, order->at[i]);
    if (!order)
        w->out->failed = true;
    map_order_free(own);
    grace_leave(map->grace, cell);
}

static void put_text(struct writer *w, const struct var *v)
{
    size_t n;
    unsigned cell = grace_enter(v->grace);
    const char *bytes = var_string(v, &n);
    set_label(w, bytes, n);
    grace_leave(v->grace, cell);
    if (put_sample(w, "_info", "value"))
        buf_puts(w->out, "1\n");
}

static void put_family(struct writer *w, const struct map_entry *e)
{
    struct var *v = e->value;
    if (!v)
        return;
    if (v->kind == VAR_OWN) {
        if (v->own.metrics)
            v->own.metrics(w->out);
        return;
    }
    begin(w, v->kind == VAR_STRING ? "info" : "gauge", e->key, e->n);
    w->keys = var_new(VAR_MAP);
    switch ((enum var_kind)v->kind) {
    case VAR_INT:
    case VAR_FLOAT:
        if (put_sample(w, "", NULL))
            put_number(w, v);
        break;
    case VAR_STRING: put_text(w, v); break;
    case VAR_MAP: each_entry(w, v, put_entry); break;
    case VAR_FUNC: put_written(w, v); break;
    case VAR_OWN: break;
    }
    var_drop(w->keys);
    w->keys = NULL;
}

bool openmetrics_write(struct buf *out, const struct functions *functions)
{
    struct writer w = {.out = out, .functions = functions, .names = var_new(VAR_MAP)};
    struct var *all = published();
    if (all && w.names)
        each_entry(&w, all, put_family);
    else
        out->failed = true;
    buf_puts(out, "# EOF\n");
    var_drop(w.names);
    buf_fini(&w.name);
    buf_fini(&w.label);
    return functions || !w.met_function;
}
