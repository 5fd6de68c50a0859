#include "http/vars.h"

#include "encode/cmdline.h"
#include "encode/expvar.h"
#include "encode/memstats.h"
#include "encode/openmetrics.h"
#include "encode/vitals.h"
#include "http/routes.h"
#include "vars/published.h"

#include <stdlib.h>

typedef bool write_function(struct buf *out, const struct functions *functions);

/* A document that has functions in it: they are called, then it is written. */
struct asking {
    struct call call;
    write_function *write;
    const char *type;
    struct functions *functions;
};

static void run(struct call *call)
{
    functions_call(((struct asking *)call)->functions, CALL_LIMIT_NS);
}

static void free_asking(struct call *call)
{
    functions_free(((struct asking *)call)->functions);
    free(call);
}

static void reply(struct exchange *ex, const char *type)
{
    if (ex->out.failed)
        exchange_refuse(ex, 500, "out of memory");
    else
        exchange_reply(ex, 200, type);
}

/* Of those that have not come back by then the value is null. */
static void answer(struct exchange *ex, struct call *call, bool late)
{
    const struct asking *a = (const struct asking *)call;
    (void)late;
    a->write(&ex->out, a->functions);
    reply(ex, a->type);
}

static struct asking *new_asking(write_function *write, const char *type)
{
    struct asking *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    *a = (struct asking){{.run = run, .free = free_asking}, write, type, functions_collect()};
    if (a->functions)
        return a;
    free(a);
    return NULL;
}

/* As a rule there are no functions, and the answer is written on the spot. */
static void serve(struct exchange *ex, write_function *write, const char *type)
{
    if (write(&ex->out, NULL)) {
        reply(ex, type);
        return;
    }
    ex->out.len = 0;
    struct asking *a = new_asking(write, type);
    if (a)
        exchange_call(ex, &a->call, answer);
    else
        exchange_refuse(ex, 500, "out of memory");
}

void vars_serve(struct exchange *ex)
{
    serve(ex, expvar_write, EXPVAR_TYPE);
}

void metrics_serve(struct exchange *ex)
{
    exchange_set(ex, "X-Content-Type-Options", "nosniff");
    serve(ex, openmetrics_write, OPENMETRICS_TYPE);
}

void vars_init(void)
{
    published_add_own("cmdline", cmdline_put_json, NULL);
    published_add_own("cprof", vitals_put_json, vitals_put_metrics);
    published_add_own("memstats", memstats_put_json, memstats_put_metrics);
}
