#include "http/wire.h"

#include "base/clock.h"
#include "http/peer.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *verb_of(struct evhttp_request *req)
{
    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_HEAD: return "HEAD";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_DELETE: return "DELETE";
    case EVHTTP_REQ_PATCH: return "PATCH";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    default: return "OTHER";
    }
}

static struct exchange *exchange_of(struct work *w)
{
    return (struct exchange *)((char *)w - offsetof(struct exchange, work));
}

static void work_run(struct work *w)
{
    struct exchange *ex = exchange_of(w);
    ex->job(ex);
}

static void work_done(struct work *w)
{
    struct exchange *ex = exchange_of(w);
    ex->working = false;
    if (ex->peer)
        ex->then(ex);
    else
        exchange_free(ex);
}

/* Its client has long gone, and perhaps all that served it. */
static void work_late(struct work *w)
{
    exchange_free(exchange_of(w));
}

static const char *header(const struct exchange *ex, const char *name, size_t n)
{
    struct evkeyval *h;
    for (h = evhttp_request_get_input_headers(ex->req)->tqh_first; h; h = h->next.tqe_next)
        if (strcasecmp(h->key, name) == 0 && n-- == 0)
            return h->value;
    return NULL;
}

static void set(struct exchange *ex, const char *name, const char *value)
{
    evhttp_remove_header(evhttp_request_get_output_headers(ex->req), name);
    if (value)
        evhttp_add_header(evhttp_request_get_output_headers(ex->req), name, value);
}

static void free_body(const void *data, size_t n, void *unused)
{
    (void)n, (void)unused;
    free((void *)data);
}

/* Moves ex->out into a buffer of the library without copying. */
static struct evbuffer *take_body(struct exchange *ex)
{
    struct evbuffer *out = evbuffer_new();
    if (!out || ex->out.failed || evbuffer_add_reference(out, ex->out.data, ex->out.len, free_body, NULL)) {
        if (out)
            evbuffer_free(out);
        return NULL;
    }
    ex->out = (struct buf){0};
    return out;
}

static void reply(struct exchange *ex, int code)
{
    struct peer *p = ex->peer;
    char length[24];
    snprintf(length, sizeof length, "%zu", ex->out.len);
    set(ex, "Content-Length", exchange_has_body(code) ? length : NULL);
    struct evbuffer *body = NULL;
    if (ex->out.failed || (ex->method != METHOD_HEAD && ex->out.len && !(body = take_body(ex)))) {
        evhttp_connection_free(p->evcon); /* out of memory; comes back as wire_gone */
        return;
    }
    /* A request whose method the library does not know may have a body that it has not read. */
    if (ex->method == METHOD_OTHER || peer_is_last(p))
        set(ex, "Connection", "close");
    struct evhttp_request *req = ex->req;
    p->exchange = NULL;
    exchange_free(ex);
    evhttp_send_reply(req, code, exchange_phrase(code), body);
    peer_write(p, req);
    if (body)
        evbuffer_free(body);
}

static void wait_for(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex))
{
    if (!peers_may_wait()) {
        exchange_error(ex, 503, "Too many requests are waiting for their answers");
        return;
    }
    ex->then = then;
    ex->due_ns = clock_mono_ns() + ns;
    peer_hold(ex->peer);
}

static void run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex))
{
    ex->job = job;
    ex->then = then;
    struct reason why = {0};
    enum status s = work_submit(&ex->work, &why);
    if (s) {
        exchange_error(ex, 500, "%s", *why.text ? why.text : status_text(s));
        return;
    }
    ex->working = true;
    peer_hold(ex->peer);
}

static void call(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late))
{
    call_start(ex, c, CALL_LIMIT_NS, then);
}

static const struct exchange_port port = {
    .header = header,
    .set = set,
    .reply = reply,
    .wait = wait_for,
    .run = run,
    .call = call,
};

struct exchange *wire_new(struct peer *p, struct evhttp_request *req)
{
    struct exchange *ex = calloc(1, sizeof *ex);
    if (!ex)
        return NULL;
    ex->port = &port;
    ex->peer = p;
    ex->req = req;
    ex->work = (struct work){.run = work_run, .done = work_done, .late = work_late};
    ex->verb = verb_of(req);
    ex->method = exchange_method_of(ex->verb);
    ex->uri = strdup(evhttp_request_get_uri(req));
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    size_t n = evbuffer_get_length(in);
    char *body = n ? buf_reserve(&ex->body, n) : NULL;
    if (body)
        ex->body.len = (size_t)evbuffer_remove(in, body, n);
    if (!ex->uri || ex->body.failed) {
        exchange_free(ex);
        return NULL;
    }
    ex->sound = target_split(ex->uri, &ex->target);
    peer_answer(p, ex);
    return ex;
}

void wire_gone(struct exchange *ex)
{
    /* A request that the library has already taken off its connection is ours to free; one that is still on
     * it goes with it. */
    if (!evhttp_request_get_connection(ex->req))
        evhttp_request_free(ex->req);
    ex->req = NULL;
    ex->peer->exchange = NULL;
    ex->peer = NULL;
    ex->due_ns = 0;
    /* Who asks and leaves, again and again, must not keep the worker from everybody else. */
    if (!ex->working || work_withdraw(&ex->work))
        exchange_free(ex);
}

void wire_due(struct exchange *ex)
{
    ex->due_ns = 0;
    ex->then(ex);
}
