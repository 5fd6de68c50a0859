#include "http/vars.h"

#include "encode/expvar.h"
#include "encode/json.h"
#include "encode/openmetrics.h"
#include "http/callers.h"
#include "http/routes.h"
#include "vars/published.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_NS INT64_C(100000)
#define LONG_PAUSE_NS  INT64_C(20000000)

typedef bool write_function(struct buf *out, const struct functions *functions);

/* An answer that waits for functions. */
struct asking {
    write_function *write;
    const char *type;
    struct functions *functions; /* NULL: nobody calls them */
    int64_t until_ns;
    int64_t pause_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void reply(struct exchange *ex, const char *type)
{
    if (ex->out.failed)
        exchange_refuse(ex, 500, "out of memory");
    else
        exchange_reply(ex, 200, type);
}

static void drop(struct exchange *ex)
{
    struct asking *a = ex->data;
    functions_drop(a->functions);
    free(a);
}

static void look(struct exchange *ex)
{
    struct asking *a = ex->data;
    if (a->functions && !functions_done(a->functions) && now_ns() < a->until_ns) {
        a->pause_ns = a->pause_ns < LONG_PAUSE_NS ? a->pause_ns * 2 : LONG_PAUSE_NS;
        exchange_wait(ex, a->pause_ns, look);
        return;
    }
    a->write(&ex->out, a->functions);
    reply(ex, a->type);
}

/* As a rule there are no functions, and the answer is written on the spot. */
static void serve(struct exchange *ex, write_function *write, const char *type)
{
    if (write(&ex->out, NULL)) {
        reply(ex, type);
        return;
    }
    ex->out.len = 0;
    struct asking *a = calloc(1, sizeof *a);
    if (!a) {
        exchange_refuse(ex, 500, "out of memory");
        return;
    }
    int64_t now = now_ns();
    *a = (struct asking){.write = write, .type = type, .until_ns = now + CALLERS_LIMIT_NS, .pause_ns = FIRST_PAUSE_NS};
    a->functions = callers_ask(now);
    ex->data = a;
    ex->drop = drop;
    look(ex);
}

void vars_serve(struct exchange *ex)
{
    serve(ex, expvar_write, EXPVAR_TYPE);
}

void metrics_serve(struct exchange *ex)
{
    serve(ex, openmetrics_write, OPENMETRICS_TYPE);
}

#define CMDLINE_MAX (4 << 20)

static void read_cmdline(struct buf *text)
{
    char *room;
    ssize_t n = 0;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    while (text->len < CMDLINE_MAX && (room = buf_reserve(text, 4096)) && (n = read(fd, room, 4096)) > 0)
        text->len += (size_t)n;
    close(fd);
}

/* Every argument ends with a NUL. */
static void put_arguments(struct buf *out, const struct buf *text)
{
    buf_put(out, "[", 1);
    for (size_t at = 0, length; at < text->len; at += length + 1) {
        length = strnlen(text->data + at, text->len - at);
        buf_puts(out, at ? "," : "");
        json_put_string(out, text->data + at, length);
    }
    buf_put(out, "]", 1);
}

/* As it was when first asked for, like Go's: a title that the program sets later is none of its arguments. */
static void write_cmdline(struct buf *out)
{
    static struct var *_Atomic known;
    struct var *v = atomic_load(&known), *first = NULL;
    if (!v) {
        struct buf text = {0}, json = {0};
        read_cmdline(&text);
        put_arguments(&json, &text);
        v = json.failed ? NULL : var_new(VAR_STRING);
        if (!var_string_set(v, json.data, json.len) || !atomic_compare_exchange_strong(&known, &first, v)) {
            var_drop(v);
            v = first;
        }
        buf_fini(&text);
        buf_fini(&json);
    }
    size_t n;
    const char *json = var_string(v, &n);
    buf_put(out, n ? json : "null", n ? n : 4);
}

void vars_init(void)
{
    published_add_own("cmdline", write_cmdline);
}
