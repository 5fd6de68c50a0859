#include "http/vars.h"

#include "encode/cmdline.h"
#include "encode/expvar.h"
#include "encode/memstats.h"
#include "encode/openmetrics.h"
#include "encode/vitals.h"
#include "http/callers.h"
#include "http/routes.h"
#include "vars/published.h"

#include <stdlib.h>
#include <time.h>

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

void vars_init(void)
{
    published_add_own("cmdline", cmdline_put_json, NULL);
    published_add_own("cprof", vitals_put_json, vitals_put_metrics);
    published_add_own("memstats", memstats_put_json, memstats_put_metrics);
}
