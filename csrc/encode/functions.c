#include "encode/functions.h"

#include "base/clock.h"
#include "encode/expvar.h"
#include "encode/json.h"
#include "vars/published.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 512
/* A function that has been gone for so long is not waited for any more. */
#define HANGS_NS INT64_C(1000000000)

#define MAX_BYTES ((size_t)16 << 20)
/* A map that is inside itself several times is as many at each depth. Of the others so many entries are not even in a
 * document of the greatest length. */
#define MAX_LOOKED (EXPVAR_MAX_BYTES / sizeof "\"\": 0,")
#define MAX_CALLS  4 /* a value that grows each time it is looked at */

struct result {
    struct var *v;
    struct buf json; /* whoever calls; others when done is set */
    _Atomic bool done;
};

struct functions {
    size_t n, cap, looked;
    bool failed;
    struct result *at; /* by address of the variable */
};

static void add(struct functions *f, struct var *v)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct result *grown = realloc(f->at, cap * sizeof *grown);
        if (!grown) {
            f->failed = true;
            return;
        }
        f->at = grown;
        f->cap = cap;
    }
    f->at[f->n++] = (struct result){.v = var_ref(v)};
}

static void collect(struct functions *f, struct var *v, int depth)
{
    struct map_order *own = NULL;
    if (var_is(v, VAR_FUNC))
        add(f, v);
    if (!var_is(v, VAR_MAP) || !depth || f->n > EXPVAR_MAX_FUNCTIONS)
        return;
    unsigned cell = grace_enter(v->grace);
    const struct map_order *order = map_sorted(v, &own);
    for (size_t i = 0; order && i < order->n && f->looked++ < MAX_LOOKED; i++)
        collect(f, order->at[i]->value, depth - 1);
    map_order_free(own);
    grace_leave(v->grace, cell);
}

static int by_address(const void *a, const void *b)
{
    const struct result *x = a, *y = b;
    return ((uintptr_t)x->v > (uintptr_t)y->v) - ((uintptr_t)x->v < (uintptr_t)y->v);
}

/* One that is published twice is called once. */
static void sort(struct functions *f)
{
    size_t kept = 0;
    if (f->n)
        qsort(f->at, f->n, sizeof f->at[0], by_address);
    for (size_t i = 0; i < f->n; i++) {
        if (kept && f->at[kept - 1].v == f->at[i].v)
            var_drop(f->at[i].v);
        else
            f->at[kept++] = f->at[i];
    }
    f->n = kept;
}

struct functions *functions_collect(void)
{
    struct functions *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    collect(f, published(), EXPVAR_DEPTH + 1);
    sort(f);
    if (f->failed) {
        functions_free(f);
        return NULL;
    }
    return f;
}

void functions_free(struct functions *f)
{
    for (size_t i = 0; i < f->n; i++) {
        buf_fini(&f->at[i].json);
        var_drop(f->at[i].v);
    }
    free(f->at);
    free(f);
}

static bool write_value(const struct var *v, struct buf *out)
{
    size_t room = FIRST_ROOM;
    for (int i = 0; i < MAX_CALLS && room <= MAX_BYTES; i++) {
        char *to = buf_reserve(out, room);
        int n = to ? v->function.call(v->function.arg, to, room) : -1;
        if (n < 0)
            return false;
        if ((size_t)n < room) {
            out->len = (size_t)n;
            return true;
        }
        room = (size_t)n + 1;
    }
    return false;
}

/* White space around it would break the layout of one line for each name. */
static void trim(struct buf *json)
{
    struct json_cursor c = {.at = json->data, .end = json->data + json->len};
    while (c.end > c.at && (c.end[-1] == ' ' || c.end[-1] == '\n' || c.end[-1] == '\r' || c.end[-1] == '\t'))
        c.end--;
    json_blank(&c);
    memmove(json->data, c.at, (size_t)(c.end - c.at));
    json->len = (size_t)(c.end - c.at);
}

static void call(struct result *r, int64_t until_ns)
{
    if (!turn_take(&r->v->function.turn, until_ns, HANGS_NS))
        return;
    if (write_value(r->v, &r->json) && json_is_valid(r->json.data, r->json.len))
        trim(&r->json);
    else
        r->json.len = 0;
    atomic_store_explicit(&r->done, true, memory_order_release);
    turn_end(&r->v->function.turn);
}

void functions_call(struct functions *f, int64_t limit_ns)
{
    int64_t until_ns = clock_mono_ns() + limit_ns;
    for (size_t i = 0; i < f->n; i++)
        call(&f->at[i], 0);
    for (size_t i = 0; i < f->n; i++)
        if (!atomic_load(&f->at[i].done))
            call(&f->at[i], until_ns);
}

const char *functions_result(const struct functions *f, const struct var *v, size_t *n)
{
    struct result key = {.v = (struct var *)(uintptr_t)v};
    const struct result *r = f && f->n ? bsearch(&key, f->at, f->n, sizeof key, by_address) : NULL;
    bool there = r && atomic_load_explicit(&r->done, memory_order_acquire) && r->json.len;
    *n = there ? r->json.len : 4;
    return there ? r->json.data : "null";
}
