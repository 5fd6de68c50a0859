#include "http/mount.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/exchange.h"
#include "http/routes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOOK_NS INT64_C(100000000) /* between two questions whether the client is still there */

/* Lives on the stack of who asks; the exchange ends before it. */
struct mounting {
    const struct mount_request *request;
    struct mount_answer *answer;
    bool answered, gone, failed;
};

/* The server of the program's has looked at them. */
static const char *header(const struct exchange *ex, const char *name, size_t n)
{
    (void)ex, (void)name, (void)n;
    return NULL;
}

/* Takes the line of that name out. */
static void remove_header(struct buf *headers, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < headers->len;) {
        const char *line = headers->data + at, *end = memchr(line, '\n', headers->len - at);
        size_t n = (size_t)(end - line) + 1;
        if (n > len && strncasecmp(line, name, len) == 0 && line[len] == ':') {
            memmove(headers->data + at, end + 1, headers->len - at - n);
            headers->len -= n;
        } else {
            at += n;
        }
    }
}

static void set(struct exchange *ex, const char *name, const char *value)
{
    struct buf *headers = &ex->mounting->answer->headers;
    remove_header(headers, name);
    if (value)
        buf_printf(headers, "%s: %s\r\n", name, value);
}

static void reply(struct exchange *ex, int code)
{
    struct mount_answer *a = ex->mounting->answer;
    a->code = code;
    ex->mounting->answered = true;
    ex->mounting->failed = ex->out.failed || a->headers.failed;
    if (ex->method != METHOD_HEAD) {
        a->body = ex->out;
        ex->out = (struct buf){0};
    }
    exchange_free(ex);
}

static bool has_left(const struct mount_request *r)
{
    return r->gone && r->gone(r->arg);
}

/* Nobody wakes it: the word is its own. */
static void wait_for(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex))
{
    _Atomic uint32_t word = 0;
    int64_t due = clock_mono_ns() + ns, left = ns;
    for (; left > 0; left = due - clock_mono_ns()) {
        lock_wait_word(&word, 0, left < LOOK_NS ? left : LOOK_NS);
        if (has_left(ex->mounting->request)) {
            ex->mounting->gone = true;
            exchange_free(ex);
            return;
        }
    }
    then(ex);
}

struct job {
    struct exchange *ex;
    void (*run)(struct exchange *ex);
};

static void run_job(void *arg)
{
    const struct job *j = arg;
    j->run(j->ex);
}

/* On a thread of ours: naming keeps whole line tables on the stack, of which the caller's may be small, and opens
 * files, which are not to be among the program's. */
static void run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex))
{
    struct job j = {.ex = ex, .run = job};
    struct reason why = {0};
    if (thread_is_forbidden()) {
        job(ex);
    } else if (thread_run("cprof-mounted", run_job, &j, &why) != STATUS_OK) {
        exchange_error(ex, 500, "%s", *why.text ? why.text : status_text(STATUS_NOMEM));
        return;
    }
    then(ex);
}

static const struct exchange_port port = {
    .header = header,
    .set = set,
    .reply = reply,
    .wait = wait_for,
    .run = run,
    .call = call_directly,
};

static struct exchange *begin(struct mounting *m)
{
    const struct mount_request *r = m->request;
    struct exchange *ex = calloc(1, sizeof *ex);
    if (!ex)
        return NULL;
    ex->port = &port;
    ex->mounting = m;
    ex->method = exchange_method_of(r->method);
    ex->verb = r->method;
    ex->uri = strdup(r->target);
    if (r->body_bytes)
        buf_put(&ex->body, r->body, r->body_bytes);
    if (!ex->uri || ex->body.failed) {
        exchange_free(ex);
        return NULL;
    }
    ex->sound = target_split(ex->uri, &ex->target);
    return ex;
}

static void serve(enum mount_what what, const char *name, struct exchange *ex)
{
    switch (what) {
    case MOUNT_PATH: routes_serve(ex); break;
    case MOUNT_PROFILE: routes_serve_profile(ex, name, strlen(name)); break;
    case MOUNT_VARS: routes_serve_vars(ex); break;
    }
}

enum status mount_serve(enum mount_what what, const char *name, const struct mount_request *r, struct mount_answer *a,
                        struct reason *why)
{
    struct mounting m = {.request = r, .answer = a};
    *a = (struct mount_answer){0};
    struct exchange *ex = begin(&m);
    if (ex)
        serve(what, name, ex);
    if (m.answered && !m.failed)
        return STATUS_OK;
    mount_answer_fini(a);
    return m.gone ? status_because(why, STATUS_NOT_RUNNING, "the client has left") : STATUS_NOMEM;
}

void mount_answer_fini(struct mount_answer *a)
{
    buf_fini(&a->headers);
    buf_fini(&a->body);
}
