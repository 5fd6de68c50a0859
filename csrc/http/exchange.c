#include "http/exchange.h"

#include "http/peer.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ERROR_TEXT 512 /* a reason is 256 */

static enum exchange_method method_of(struct evhttp_request *req)
{
    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET: return METHOD_GET;
    case EVHTTP_REQ_HEAD: return METHOD_HEAD;
    case EVHTTP_REQ_POST: return METHOD_POST;
    default: return METHOD_OTHER;
    }
}

static void work_done(struct work *w);

static void work_run(struct work *w)
{
    struct exchange *ex = (struct exchange *)((char *)w - offsetof(struct exchange, work));
    ex->job(ex);
}

static void exchange_free(struct exchange *ex)
{
    if (ex->drop)
        ex->drop(ex);
    buf_fini(&ex->body);
    buf_fini(&ex->out);
    free(ex->uri);
    free(ex);
}

struct exchange *exchange_new(struct peer *p, struct evhttp_request *req)
{
    struct exchange *ex = calloc(1, sizeof *ex);
    if (!ex)
        return NULL;
    ex->peer = p;
    ex->req = req;
    ex->work = (struct work){.run = work_run, .done = work_done};
    ex->method = method_of(req);
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

void exchange_gone(struct exchange *ex)
{
    /* A request that the library has already taken off its connection is ours to free; one that is still on
     * it goes with it. */
    if (!evhttp_request_get_connection(ex->req))
        evhttp_request_free(ex->req);
    ex->req = NULL;
    ex->peer->exchange = NULL;
    ex->peer = NULL;
    ex->due_ns = 0;
    if (!ex->working)
        exchange_free(ex);
}

void exchange_due(struct exchange *ex)
{
    ex->due_ns = 0;
    ex->then(ex);
}

const char *exchange_header(const struct exchange *ex, const char *name, size_t n)
{
    struct evkeyval *h;
    for (h = evhttp_request_get_input_headers(ex->req)->tqh_first; h; h = h->next.tqe_next)
        if (strcasecmp(h->key, name) == 0 && n-- == 0)
            return h->value;
    return NULL;
}

const char *exchange_phrase(int code)
{
    switch (code) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Request Entity Too Large";
    case 417: return "Expectation Failed";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    }
    return "Error";
}

void exchange_set(struct exchange *ex, const char *name, const char *value)
{
    evhttp_remove_header(evhttp_request_get_output_headers(ex->req), name);
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

void exchange_reply(struct exchange *ex, int code, const char *content_type)
{
    struct peer *p = ex->peer;
    char length[24];
    snprintf(length, sizeof length, "%zu", ex->out.len);
    if (content_type)
        exchange_set(ex, "Content-Type", content_type);
    exchange_set(ex, "Content-Length", length);
    struct evbuffer *body = NULL;
    if (ex->out.failed || (ex->method != METHOD_HEAD && ex->out.len && !(body = take_body(ex)))) {
        evhttp_connection_free(p->evcon); /* out of memory; comes back as exchange_gone */
        return;
    }
    /* A request whose method the library does not know may have a body that it has not read. */
    if (ex->method == METHOD_OTHER)
        exchange_set(ex, "Connection", "close");
    struct evhttp_request *req = ex->req;
    p->exchange = NULL;
    exchange_free(ex);
    evhttp_send_reply(req, code, exchange_phrase(code), body);
    peer_write(p, req);
    if (body)
        evbuffer_free(body);
}

void exchange_refuse(struct exchange *ex, int code, const char *text)
{
    buf_fini(&ex->out);
    buf_printf(&ex->out, "%s\n", text);
    exchange_set(ex, "X-Content-Type-Options", "nosniff");
    exchange_reply(ex, code, "text/plain; charset=utf-8");
}

void exchange_error(struct exchange *ex, int code, const char *format, ...)
{
    char text[MAX_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    evhttp_remove_header(evhttp_request_get_output_headers(ex->req), "Content-Disposition");
    exchange_set(ex, "X-Go-Pprof", "1");
    exchange_refuse(ex, code, text);
}

void exchange_wait(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex))
{
    ex->then = then;
    ex->due_ns = peer_now_ns() + ns;
    peer_hold(ex->peer);
}

void exchange_run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex))
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

static void work_done(struct work *w)
{
    struct exchange *ex = (struct exchange *)((char *)w - offsetof(struct exchange, work));
    ex->working = false;
    if (ex->peer)
        ex->then(ex);
    else
        exchange_free(ex);
}
