/*
 * The connections: who is connected, what is being done for each, and until when. The library keeps its own
 * list, but tells neither how long it is nor how long a client has been slow; this table does.
 *
 * A peer goes FRESH (accepted) → READING → ANSWERING (a handler has the request) → WRITING → READING … and
 * is freed when the library closes the connection, whatever the reason. One that is refused before a handler goes from
 * READING to LEAVING (http/gate). Loop's thread only, except peers_after_fork_child.
 *
 * Written for libevent 2.1: it has no hook for a new connection, so the bufferevent is made here and the
 * connection is taken from its callback argument, where evhttp puts it.
 */
#ifndef CPROF_HTTP_PEER_H
#define CPROF_HTTP_PEER_H

#include "base/descriptor.h"
#include "base/status.h"
#include "http/limits.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;
struct evbuffer;
struct evconnlistener;
struct evhttp_connection;
struct evhttp_request;
struct exchange;
struct policy;

enum peer_phase { PEER_FREE, PEER_FRESH, PEER_READING, PEER_ANSWERING, PEER_WRITING, PEER_LEAVING };

struct peer {
    enum peer_phase phase;
    bool local_user; /* came by a unix socket */
    bool last;       /* no request of this connection is read after this one */
    bool between;    /* READING: the library has not begun to read the next one (http/gate) */
    struct bufferevent *bev;
    struct evhttp_connection *evcon;
    struct descriptor fd;
    const struct policy *policy; /* of the door it came by, which is there as long */
    uint64_t origin;             /* the client's address, as far as it counts as one */
    struct exchange *exchange;   /* while ANSWERING */
    int64_t since_ns;            /* start of the phase */
    int64_t moved_ns;            /* WRITING: when the client last took something */
    size_t left;                 /* WRITING: bytes it had not taken then */
    const struct pollfd *wait;   /* its place in the poll that is going on, or NULL */

    /* http/gate's, while READING */
    void (*read_cb)(struct bufferevent *bev, void *evcon); /* the library's, while ours is in its place */
    struct evbuffer *aside;                                /* what came behind the last request, until the next look */
    size_t chunk_at;                                       /* where the next chunk begins; 0: the head is not whole */
    size_t chunks;                                         /* bytes in those before */
};

/* For http/gate. left: an event's callback. */
void peer_enter(struct peer *p, enum peer_phase phase);
void peer_left(struct bufferevent *bev, short what, void *p);

enum status peers_open(struct event_base *base);

/* Where they come from: accepting rests and goes on for all doors alike. Removing one comes after the end of the
 * connections that came by it. */
void peers_add_door(struct evconnlistener *door);
void peers_remove_door(const struct evconnlistener *door);

/* Connections accepted in this moment become known to peers_intact. Before a door is closed. */
void peers_adopt(void);

/* The library cannot be trusted with descriptors any more: ends the exchanges and closes what is still ours
 * without it. */
void peers_abandon(void);

/* After evhttp_free or, with forget set, after peers_abandon. */
void peers_close(bool forget);

/* Makes the bufferevent of a connection about to exist: for evhttp_set_bevcb. */
struct bufferevent *peers_accept(struct event_base *base, void *policy);

struct peer *peer_of(struct evhttp_connection *evcon);

/* Who is let in where it came. */
const struct policy *peer_policy(const struct peer *p);

/* Did it come by a unix socket? */
bool peer_is_local_user(const struct peer *p);

/* Is the connection closed after this answer? */
bool peer_is_last(const struct peer *p);

/* A handler has its request. */
void peer_answer(struct peer *p, struct exchange *ex);

/* The answer is going to take time: notice when the client leaves meanwhile. */
void peer_hold(struct peer *p);

/* The answer has been handed to the library. */
void peer_write(struct peer *p, struct evhttp_request *req);

/* Accepting goes on while there is room, or somebody could make some, and no pause. */
void peers_pause(int64_t until_ns);
bool peers_accepting(int64_t now_ns);
/* Somebody wants to come in: where the table is full, one goes that idles or is slow. False: it is not ours any more.
 */
bool peers_make_room(int64_t now_ns);
/* Are few enough answers waited for, so that others find a place? */
bool peers_may_wait(void);

/* One pollfd for each peer that waits for its socket; returns how many. */
size_t peers_poll(struct pollfd out[LIMITS_PEERS_MAX]);
/* Are the descriptors still ours? Of all peers, or of those that the last peers_poll found ready: with
 * hundreds connected, asking for all at each turn takes most of the time. */
bool peers_intact(bool all);
/* The earliest time at which peers_expire has something to do; INT64_MAX for never. */
int64_t peers_due_ns(void);
/* False when one of those it would have to close is not ours any more. */
bool peers_expire(int64_t now_ns);
/* After the library ran: keeps the limits. Returns a number that changes whenever
 * anything about any connection does. */
uint64_t peers_settle(int64_t now_ns);

/* copies: the connections were in the host's table; ours are closed. */
void peers_after_fork_child(bool copies);

#endif
