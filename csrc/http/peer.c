#include "http/peer.h"

#include "base/clock.h"
#include "http/gate.h"
#include "http/origin.h"
#include "http/wire.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct peer peers[LIMITS_PEERS_MAX];
static size_t peers_n;   /* in use */
static size_t peers_top; /* none in use from here on */
static uint64_t moves;   /* connections begun and ended, requests, answers, and whatever came */
static int64_t paused_ns;
static struct evconnlistener *doors[LIMITS_DOORS];
static struct event *look_soon;

void peer_enter(struct peer *p, enum peer_phase phase)
{
    p->phase = phase;
    p->since_ns = p->moved_ns = clock_mono_ns();
    moves++;
}

static void release(struct peer *p)
{
    if (p->aside)
        evbuffer_free(p->aside);
    *p = (struct peer){.phase = PEER_FREE, .fd = DESCRIPTOR_NONE};
    peers_n--;
    moves++;
    while (peers_top && peers[peers_top - 1].phase == PEER_FREE)
        peers_top--;
}

static void on_close(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct peer *p = arg;
    if (p->exchange)
        wire_gone(p->exchange);
    release(p);
}

static void peer_drop(struct peer *p)
{
    evhttp_connection_free(p->evcon); /* calls on_close */
}

void peer_left(struct bufferevent *bev, short what, void *p)
{
    (void)bev, (void)what;
    peer_drop(p);
}

/* For a client that takes too long: what it did not read would otherwise stay with the kernel. */
static void reset(struct peer *p)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(p->fd.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    peer_drop(p);
}

/* The library writes 16 KiB at a time: the kernel would keep the rest of a longer answer back until the client's own
 * kernel acknowledges the first, which takes it 40 ms. */
static void send_at_once(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The connection only failed to come about where memory ran out. */
static void adopt(struct peer *p)
{
    bufferevent_event_cb on_event = NULL;
    void *arg = NULL;
    struct bufferevent *bev = p->bev;
    bufferevent_getcb(bev, NULL, NULL, &on_event, &arg);
    if (on_event) {
        p->evcon = arg;
        p->fd = descriptor_of(bufferevent_getfd(bev));
        p->origin = origin_of(p->fd.fd);
        evhttp_connection_set_closecb(p->evcon, on_close, p);
        peer_enter(p, PEER_READING);
        p->local_user = origin_is_unix(p->fd.fd);
        if (!p->local_user)
            send_at_once(p->fd.fd);
        if (p->local_user && !origin_is_same_user(p->fd.fd))
            peer_drop(p);
        else
            gate_close(p);
    } else {
        release(p);
    }
    bufferevent_decref(bev);
}

void peers_adopt(void)
{
    for (struct peer *p = peers; p < peers + peers_top; p++)
        if (p->phase == PEER_FRESH)
            adopt(p);
}

/* Runs right after the callback that asked for it, before the library looks at any socket again: nothing can
 * have been read from a new connection, and nothing of an error page was sent. */
static void look(evutil_socket_t fd, short what, void *unused)
{
    (void)fd, (void)what, (void)unused;
    peers_adopt();
    for (struct peer *p = peers; p < peers + peers_top; p++)
        if (p->phase == PEER_READING)
            gate_look(p);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
    (void)out;
    struct peer *p = arg;
    if (info->n_added && p->phase == PEER_READING)
        event_active(look_soon, EV_TIMEOUT, 1);
}

/* What is thrown away, or goes on to the library, leaves nothing behind that peers_settle could see. */
static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *unused)
{
    (void)in, (void)unused;
    moves += info->n_added != 0;
}

static void close_doors(void)
{
    for (size_t i = 0; i < LIMITS_DOORS; i++)
        if (doors[i])
            evconnlistener_disable(doors[i]);
}

struct bufferevent *peers_accept(struct event_base *base, void *policy)
{
    struct peer *p = peers;
    while (p < peers + LIMITS_PEERS_MAX && p->phase != PEER_FREE)
        p++;
    struct bufferevent *bev = p < peers + LIMITS_PEERS_MAX ? bufferevent_socket_new(base, -1, 0) : NULL;
    if (!bev)
        return NULL;
    evbuffer_add_cb(bufferevent_get_output(bev), on_output, p);
    evbuffer_add_cb(bufferevent_get_input(bev), on_input, NULL);
    bufferevent_incref(bev); /* until adopted */
    *p = (struct peer){.bev = bev, .fd = DESCRIPTOR_NONE, .policy = policy};
    peer_enter(p, PEER_FRESH);
    peers_n++;
    /* The library accepts until it is told that there is nothing more. One at a time, after a poll and a look
     * at the descriptor: should the number have become a socket of the host, and that one blocks, it would
     * take its connections and then hang. */
    close_doors();
    if (p >= peers + peers_top)
        peers_top = (size_t)(p - peers) + 1;
    event_active(look_soon, EV_TIMEOUT, 1);
    return bev;
}

enum status peers_open(struct event_base *base)
{
    peers_close(true);
    look_soon = event_new(base, -1, 0, look, NULL);
    return look_soon ? STATUS_OK : STATUS_NOMEM;
}

void peers_add_door(struct evconnlistener *door)
{
    for (size_t i = 0; i < LIMITS_DOORS; i++) {
        if (!doors[i]) {
            doors[i] = door;
            return;
        }
    }
}

void peers_remove_door(const struct evconnlistener *door)
{
    for (size_t i = 0; i < LIMITS_DOORS; i++)
        if (doors[i] == door)
            doors[i] = NULL;
}

void peers_abandon(void)
{
    for (struct peer *p = peers; p < peers + peers_top; p++) {
        if (p->exchange)
            wire_gone(p->exchange);
        if (p->phase != PEER_FREE)
            descriptor_close(&p->fd);
    }
}

void peers_close(bool forget)
{
    if (look_soon && !forget)
        event_free(look_soon);
    look_soon = NULL;
    for (struct peer *p = peers; p < peers + LIMITS_PEERS_MAX; p++)
        *p = (struct peer){.phase = PEER_FREE, .fd = DESCRIPTOR_NONE};
    peers_n = peers_top = 0;
    paused_ns = 0;
    memset(doors, 0, sizeof doors);
}

const struct policy *peer_policy(const struct peer *p)
{
    return p->policy;
}

bool peer_is_last(const struct peer *p)
{
    return p->last;
}

bool peer_is_local_user(const struct peer *p)
{
    return p && p->local_user;
}

struct peer *peer_of(struct evhttp_connection *evcon)
{
    for (struct peer *p = peers; p < peers + peers_top; p++)
        if (p->phase != PEER_FREE && p->evcon == evcon)
            return p;
    return NULL;
}

void peer_answer(struct peer *p, struct exchange *ex)
{
    p->exchange = ex;
    peer_enter(p, PEER_ANSWERING);
}

static void on_ahead(struct bufferevent *bev, void *arg)
{
    struct peer *p = arg;
    if (evbuffer_get_length(bufferevent_get_input(bev)) > http_limits.ahead_bytes)
        peer_drop(p);
}

void peer_hold(struct peer *p)
{
    /* evhttp stops reading here, so it would notice a client that left only when it writes the answer. Its
     * own read callback must not be left in place: data in this state makes it call exit(). */
    bufferevent_setcb(p->bev, on_ahead, NULL, peer_left, p);
    bufferevent_enable(p->bev, EV_READ);
}

static void on_sent(struct evhttp_request *req, void *arg)
{
    (void)req;
    peer_enter(arg, PEER_READING);
    gate_next(arg);
    event_active(look_soon, EV_TIMEOUT, 1);
}

void peer_write(struct peer *p, struct evhttp_request *req)
{
    evhttp_request_set_on_complete_cb(req, on_sent, p);
    if (req->type == EVHTTP_REQ_CONNECT)
        req->type = EVHTTP_REQ_GET; /* evhttp takes it for a tunnel, which it never closes, whatever the answer says */
    /* evhttp watches for the end of the client's side while it writes and then drops the answer; clients
     * that shut down their sending half still want it. A write to one that is gone fails by itself. */
    bufferevent_disable(p->bev, EV_READ);
    p->exchange = NULL;
    peer_enter(p, PEER_WRITING);
    p->left = SIZE_MAX;
}

void peers_pause(int64_t until_ns)
{
    paused_ns = until_ns;
    close_doors();
}

/* Nothing is being done for it, or it takes its time over an answer. */
static bool is_spare(const struct peer *p, int64_t now_ns)
{
    return p->phase == PEER_READING || p->phase == PEER_LEAVING ||
           (p->phase == PEER_WRITING && now_ns - p->moved_ns > http_limits.slow_ns);
}

static unsigned count_from(uint64_t origin)
{
    unsigned n = 0;
    for (struct peer *p = peers; p < peers + peers_top; p++)
        n += p->phase > PEER_FRESH && p->origin == origin;
    return n;
}

/* Of those whose origin has most, the one that has been so longest. */
static struct peer *find_spare(int64_t now_ns)
{
    struct peer *found = NULL;
    unsigned most = 0;
    for (struct peer *p = peers; p < peers + peers_top; p++) {
        if (!is_spare(p, now_ns))
            continue;
        unsigned n = found && p->origin == found->origin ? most : count_from(p->origin);
        if (!found || n > most || (n == most && p->since_ns < found->since_ns)) {
            found = p;
            most = n;
        }
    }
    return found;
}

static bool is_full(void)
{
    return peers_n >= http_limits.peers;
}

bool peers_accepting(int64_t now_ns)
{
    if (now_ns < paused_ns || (is_full() && !find_spare(now_ns)))
        return false;
    paused_ns = 0;
    for (size_t i = 0; i < LIMITS_DOORS && !is_full(); i++)
        if (doors[i])
            evconnlistener_enable(doors[i]);
    return true;
}

bool peers_make_room(int64_t now_ns)
{
    struct peer *p = is_full() ? find_spare(now_ns) : NULL;
    if (!p)
        return true;
    if (!descriptor_intact(&p->fd))
        return false;
    reset(p);
    return peers_accepting(now_ns);
}

bool peers_may_wait(void)
{
    unsigned n = 0;
    for (struct peer *p = peers; p < peers + peers_top; p++)
        n += p->phase == PEER_ANSWERING;
    return n <= http_limits.waiting;
}

size_t peers_poll(struct pollfd out[LIMITS_PEERS_MAX])
{
    size_t n = 0;
    for (struct peer *p = peers; p < peers + peers_top; p++) {
        p->wait = NULL;
        if (p->phase <= PEER_FRESH)
            continue;
        short enabled = bufferevent_get_enabled(p->bev), want = 0;
        if (enabled & EV_READ)
            want |= POLLIN;
        if ((enabled & EV_WRITE) && evbuffer_get_length(bufferevent_get_output(p->bev)))
            want |= POLLOUT;
        if (want) {
            p->wait = &out[n];
            out[n++] = (struct pollfd){.fd = p->fd.fd, .events = want};
        }
    }
    return n;
}

bool peers_intact(bool all)
{
    for (struct peer *p = peers; p < peers + peers_top; p++)
        if (p->phase > PEER_FRESH && (all || (p->wait && p->wait->revents)) && !descriptor_intact(&p->fd))
            return false;
    return true;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t due_ns(const struct peer *p)
{
    switch (p->phase) {
    case PEER_FREE:
    case PEER_FRESH: return INT64_MAX;
    case PEER_ANSWERING: return p->exchange && p->exchange->due_ns ? p->exchange->due_ns : INT64_MAX;
    case PEER_WRITING: return earlier(p->moved_ns + http_limits.stall_ns, p->since_ns + http_limits.answer_ns);
    case PEER_LEAVING: return p->since_ns + http_limits.linger_ns;
    case PEER_READING: break;
    }
    return p->since_ns + http_limits.request_ns;
}

int64_t peers_due_ns(void)
{
    int64_t due = paused_ns ? paused_ns : INT64_MAX;
    for (struct peer *p = peers; p < peers + peers_top; p++)
        due = earlier(due, due_ns(p));
    return due;
}

bool peers_expire(int64_t now_ns)
{
    for (struct peer *p = peers; p < peers + peers_top; p++) {
        if (now_ns < due_ns(p))
            continue;
        if (!descriptor_intact(&p->fd))
            return false;
        if (p->phase == PEER_ANSWERING)
            wire_due(p->exchange);
        else
            reset(p);
    }
    return true;
}

uint64_t peers_settle(int64_t now_ns)
{
    const size_t request_bytes = http_limits.header_bytes + http_limits.body_bytes + http_limits.ahead_bytes;
    size_t total = 0;
    uint64_t sum = moves;
    for (struct peer *p = peers; p < peers + peers_top; p++) {
        if (p->phase <= PEER_FRESH)
            continue;
        size_t unread = evbuffer_get_length(bufferevent_get_input(p->bev));
        size_t left = evbuffer_get_length(bufferevent_get_output(p->bev));
        total += unread;
        sum += unread * 31 + left;
        if (p->phase == PEER_WRITING && left < p->left) {
            p->left = left;
            p->moved_ns = now_ns;
        }
        if (unread > request_bytes || total > http_limits.input_bytes) {
            total -= unread;
            peer_drop(p);
        }
    }
    return sum;
}

void peers_after_fork_child(bool copies)
{
    for (struct peer *p = peers; p < peers + LIMITS_PEERS_MAX; p++)
        if (copies && p->phase != PEER_FREE)
            descriptor_close(&p->fd);
    peers_close(true);
}
