/*
 * Builds maps whose keys, texts and function outputs are whatever it is given, writes them as JSON and as OpenMetrics,
 * and checks both with readers that share nothing with the writers. Violations abort, for the fuzzer to keep the input.
 */
#include "encode/expvar.h"
#include "encode/json.h"
#include "encode/openmetrics.h"
#include "vars/published.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(int holds)
{
    if (!holds)
        abort();
}

/* --- an independent reader: recursive, on NUL-terminated text, by the letters of RFC 8259 --- */

static const char *value(const char *p, int depth);

static const char *space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

static const char *code_point(const char *p)
{
    unsigned c = (unsigned char)*p, more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 9;
    unsigned point = c & (0x7fu >> (more ? more + 1 : 0));
    demand(more < 9 && c >= 0x20);
    for (unsigned i = 1; i <= more; i++) {
        demand(((unsigned char)p[i] & 0xc0) == 0x80);
        point = point << 6 | ((unsigned char)p[i] & 0x3f);
    }
    demand(point >= (more == 1 ? 0x80u : more == 2 ? 0x800u : more == 3 ? 0x10000u : 0u));
    demand(point < 0x110000 && (point < 0xd800 || point > 0xdfff));
    return p + 1 + more;
}

static const char *string(const char *p)
{
    demand(*p++ == '"');
    while (*p != '"') {
        if (*p != '\\') {
            p = code_point(p);
        } else if (*++p == 'u') {
            demand(strspn(p + 1, "0123456789abcdefABCDEF") >= 4);
            p += 5;
        } else {
            demand(*p && strchr("\"\\/bfnrt", *p));
            p++;
        }
    }
    return p + 1;
}

static const char *digits(const char *p)
{
    size_t n = strspn(p, "0123456789");
    demand(n > 0);
    return p + n;
}

static const char *number(const char *p)
{
    p += *p == '-';
    p = *p == '0' ? p + 1 : digits(p);
    if (*p == '.')
        p = digits(p + 1);
    if (*p == 'e' || *p == 'E') {
        p++;
        p = digits(p + (*p == '+' || *p == '-'));
    }
    return p;
}

static const char *members(const char *p, char close, int depth)
{
    p = space(p + 1);
    if (*p == close)
        return p + 1;
    for (;; p++) {
        if (close == '}') {
            p = space(string(space(p)));
            demand(*p++ == ':');
        }
        p = space(value(p, depth - 1));
        if (*p == close)
            return p + 1;
        demand(*p == ',');
    }
}

static const char *value(const char *p, int depth)
{
    demand(depth > 0);
    p = space(p);
    switch (*p) {
    case '{': return members(p, '}', depth);
    case '[': return members(p, ']', depth);
    case '"': return string(p);
    case 't': demand(strncmp(p, "true", 4) == 0); return p + 4;
    case 'f': demand(strncmp(p, "false", 5) == 0); return p + 5;
    case 'n': demand(strncmp(p, "null", 4) == 0); return p + 4;
    default: return number(p);
    }
}

static void check_json(struct buf *b)
{
    buf_put(b, "", 1);
    demand(!b->failed && strlen(b->data) == b->len - 1);
    demand(*space(value(b->data, 200)) == '\0');
}

/* name{label="escaped"} number */
static void check_sample(const char *p, const char *end)
{
    size_t name = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");
    demand(name > 0 && !(*p >= '0' && *p <= '9'));
    p += name;
    if (*p == '{') {
        p += strspn(p + 1, "keyvalu") + 1;
        demand(*p++ == '=' && *p++ == '"');
        while (*p != '"') {
            demand(p < end);
            if (*p == '\\')
                demand(p[1] == '\\' || p[1] == '"' || p[1] == 'n');
            p += 1 + (*p == '\\');
        }
        demand(*++p == '}');
        p++;
    }
    demand(*p++ == ' ');
    if (strncmp(p, "NaN\n", 4) != 0 && strncmp(p, "+Inf\n", 5) != 0 && strncmp(p, "-Inf\n", 5) != 0)
        demand(number(p) == end);
}

static void check_metrics(const struct buf *b)
{
    const char *p = b->data, *stop = p + b->len;
    demand(b->len >= 6 && memcmp(stop - 6, "# EOF\n", 6) == 0);
    for (const char *end; p < stop; p = end + 1) {
        end = memchr(p, '\n', (size_t)(stop - p));
        demand(end != NULL);
        if (*p != '#')
            check_sample(p, end);
    }
}

/* --- what is written --- */

struct slice {
    const char *at;
    size_t n;
};

static struct slice take(struct slice *rest)
{
    size_t n = rest->n ? (unsigned char)*rest->at : 0;
    rest->at += rest->n > 0, rest->n -= rest->n > 0;
    if (n > rest->n)
        n = rest->n;
    struct slice s = {.at = rest->at, .n = n};
    rest->at += n, rest->n -= n;
    return s;
}

static int write_slice(void *arg, char *json, size_t room)
{
    const struct slice *s = arg;
    memcpy(json, s->at, s->n < room ? s->n : room);
    return (int)s->n;
}

static struct var *make(unsigned kind, struct slice *text)
{
    double real = 0;
    struct var *v = var_new((enum var_kind)(VAR_INT + kind % 4));
    memcpy(&real, text->at, text->n < sizeof real ? text->n : sizeof real);
    var_int_set(v, (int64_t)real);
    var_float_set(v, real);
    var_string_set(v, text->at, text->n);
    map_add_float(v, text->at, text->n, real);
    if (kind % 5 == 4) {
        var_drop(v);
        v = var_new_function(write_slice, text, NULL);
    }
    return v;
}

#define MAX_VARS 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct slice texts[MAX_VARS];
    struct slice rest = {.at = (const char *)bytes, .n = n};
    struct var *maps[2] = {published(), var_new(VAR_MAP)};
    struct buf json = {0}, metrics = {0}, quoted = {0};
    json_put_string(&quoted, rest.at, rest.n);
    check_json(&quoted);
    for (size_t i = 0; i < MAX_VARS && rest.n; i++) {
        unsigned kind = (unsigned char)*rest.at;
        struct slice name = take(&rest);
        texts[i] = take(&rest);
        struct var *v = make(kind, &texts[i]);
        map_set(maps[kind >> 7], name.at, name.n, v);
        var_drop(v);
    }
    map_put_new(maps[0], "map", 3, maps[1]);
    struct functions *f = functions_collect();
    functions_call(f, 1000000000);
    demand(expvar_write(&json, f) && openmetrics_write(&metrics, f));
    check_json(&json);
    check_metrics(&metrics);
    functions_free(f);
    buf_fini(&json);
    buf_fini(&metrics);
    buf_fini(&quoted);
    map_clear(maps[0]);
    var_drop(maps[1]);
    return 0;
}
