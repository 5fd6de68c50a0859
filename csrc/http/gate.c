#include "http/gate.h"

#include "http/exchange.h"
#include "http/head.h"
#include "http/limits.h"
#include "http/peer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

static void on_too_much(struct bufferevent *bev, void *arg)
{
    (void)arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    evbuffer_drain(in, evbuffer_get_length(in));
}

/* With what a client still sends unread, closing would have the kernel tear down the connection, and the answer with
 * it: our half is closed, and the rest follows when the client's is, or when its time is over. */
static void on_told(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct peer *p = arg;
    shutdown(p->fd.fd, SHUT_WR);
}

/* As net/http says it. The library is left with a request that never gets anywhere; it goes with the connection. */
static void refuse(struct peer *p, int code)
{
    const char *text = exchange_phrase(code);
    on_too_much(p->bev, p);
    bufferevent_setcb(p->bev, on_too_much, on_told, peer_left, p);
    evbuffer_add_printf(bufferevent_get_output(p->bev),
                        "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
                        "X-Content-Type-Options: nosniff\r\n\r\n%d %s",
                        code, text, code, text);
    bufferevent_enable(p->bev, EV_READ | EV_WRITE);
    peer_enter(p, PEER_LEAVING);
}

/* evhttp answers what it cannot read of a body with a page of its own, before any handler: an answer in the output of a
 * peer that is only being read from. Its code is kept. */
static void plain_error(struct peer *p, struct evbuffer *out)
{
    char head[sizeof "HTTP/1.1 400"] = "";
    if (evbuffer_copyout(out, head, sizeof head - 1) != (ev_ssize_t)sizeof head - 1)
        return;
    int code = atoi(head + sizeof "HTTP/1.1");
    if (code < 400)
        return; /* 100 Continue */
    evbuffer_unfreeze(out, 1);
    evbuffer_drain(out, evbuffer_get_length(out));
    evbuffer_freeze(out, 1);
    refuse(p, code);
}

/* ---- heads ---- */

static void on_head(struct bufferevent *bev, void *evcon);

static void let_through(struct peer *p)
{
    struct bufferevent *bev = p->bev;
    bufferevent_data_cb write_cb;
    bufferevent_event_cb event_cb;
    bufferevent_data_cb read_cb = p->read_cb;
    void *evcon = p->evcon;
    bufferevent_getcb(bev, NULL, &write_cb, &event_cb, NULL);
    bufferevent_setcb(bev, read_cb, write_cb, event_cb, evcon);
    read_cb(bev, evcon);
}

/* The library takes what is no chunk for one that is too long, or waits for more. */
static void judge_chunks(struct peer *p)
{
    struct evbuffer *in = bufferevent_get_input(p->bev);
    for (bool first = p->chunks == 0;; first = false) {
        char line[HEAD_CHUNK_LINE];
        struct evbuffer_ptr at;
        size_t size, used;
        if (evbuffer_ptr_set(in, &at, p->chunk_at, EVBUFFER_PTR_SET))
            return;
        ev_ssize_t n = evbuffer_copyout_from(in, &at, line, sizeof line);
        int code = head_chunk(line, n > 0 ? (size_t)n : 0, first, http_limits.body_bytes - p->chunks, &size, &used);
        if (code)
            refuse(p, code);
        else if (used && !size)
            let_through(p);
        if (code || !used || !size)
            return;
        p->chunk_at += used + size;
        p->chunks += size;
    }
}

static void judge_head(struct peer *p)
{
    const struct head_limits limits = {.target_bytes = http_limits.target_bytes,
                                       .head_bytes = http_limits.header_bytes,
                                       .body_bytes = http_limits.body_bytes};
    struct evbuffer *in = bufferevent_get_input(p->bev);
    size_t n = evbuffer_get_length(in);
    struct head head;
    if (n > limits.head_bytes + 1)
        n = limits.head_bytes + 1;
    const char *bytes = n ? (const char *)evbuffer_pullup(in, (ev_ssize_t)n) : NULL;
    if (!bytes)
        return;
    int code = head_judge(bytes, n, &limits, &head);
    p->last = head.last;
    p->chunk_at = head.n;
    p->chunks = 0;
    if (code)
        refuse(p, code);
    else if (head.chunked && !head.expects)
        judge_chunks(p);
    else if (head.n)
        let_through(p);
}

static void judge(struct peer *p)
{
    if (p->chunk_at)
        judge_chunks(p);
    else
        judge_head(p);
}

static void on_head(struct bufferevent *bev, void *evcon)
{
    (void)bev;
    struct peer *p = peer_of(evcon);
    if (p)
        judge(p);
}

void gate_close(struct peer *p)
{
    bufferevent_data_cb write_cb;
    bufferevent_event_cb event_cb;
    struct evbuffer *in = bufferevent_get_input(p->bev);
    bufferevent_getcb(p->bev, &p->read_cb, &write_cb, &event_cb, NULL);
    bufferevent_setcb(p->bev, on_head, write_cb, event_cb, p->evcon);
    p->between = false;
    if (!p->aside)
        return;
    evbuffer_unfreeze(in, 0);
    evbuffer_add_buffer(in, p->aside);
    evbuffer_freeze(in, 0);
    evbuffer_free(p->aside);
    p->aside = NULL;
    judge(p);
}

void gate_look(struct peer *p)
{
    struct evbuffer *out = bufferevent_get_output(p->bev);
    if (evbuffer_get_length(out))
        plain_error(p, out);
    else if (p->between)
        gate_close(p);
}

void gate_next(struct peer *p)
{
    struct evbuffer *in = bufferevent_get_input(p->bev);
    p->between = true;
    p->chunk_at = 0;
    if (evbuffer_get_length(in) && (p->aside = evbuffer_new()))
        evbuffer_remove_buffer(in, p->aside, evbuffer_get_length(in));
}
