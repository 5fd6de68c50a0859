/*
 * One request and its answer, as handlers see it, whoever brought it: a client of our server (http/wire) or a server of
 * the program's own (http/mount). A handler either replies at once or first waits (exchange_wait) or has something done
 * elsewhere (exchange_run); after a reply the exchange is gone. When the client leaves earlier, drop() is called at
 * once (once the worker is done with it, if it is there) and nothing more.
 */
#ifndef CPROF_HTTP_EXCHANGE_H
#define CPROF_HTTP_EXCHANGE_H

#include "base/buf.h"
#include "base/status.h"
#include "http/call.h"
#include "http/target.h"
#include "http/work.h"

#include <stdbool.h>
#include <stdint.h>

struct evhttp_request;
struct exchange;
struct mounting;
struct peer;

enum exchange_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

/* What brings requests and takes answers. */
struct exchange_port {
    /* The value of a request header, NULL when absent; n counts from 0 for headers given more than once. */
    const char *(*header)(const struct exchange *ex, const char *name, size_t n);
    /* A header of the answer; value NULL takes it away. */
    void (*set)(struct exchange *ex, const char *name, const char *value);
    /* Sends ex->out, frees ex. */
    void (*reply)(struct exchange *ex, int code);
    void (*wait)(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex));
    void (*run)(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex));
    void (*call)(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late));
};

struct exchange {
    /* the request; copies, so that a worker may read them after the client left */
    enum exchange_method method;
    const char *verb; /* the method as it was written; lives as long as the exchange */
    char *uri;
    struct target target; /* slices of uri */
    bool sound;           /* the target could be read */
    struct buf body;

    /* the handler's */
    struct buf out; /* the body of the answer; the worker may write it */
    void *data;
    enum status status;
    struct reason why;
    void (*drop)(struct exchange *ex); /* frees data; called exactly once, also after a reply; may be NULL */

    /* the port's */
    const struct exchange_port *port;
    void (*then)(struct exchange *ex);
    void (*job)(struct exchange *ex);
    struct call *call; /* of http/call: the one that is waited for */
    void (*called)(struct exchange *ex, struct call *c, bool late);
    struct mounting *mounting;  /* of http/mount */
    struct peer *peer;          /* of http/wire, as all below. NULL: the client left */
    struct evhttp_request *req; /* likewise */
    int64_t due_ns;             /* 0: not waiting */
    bool working;
    struct work work;
};

const char *exchange_phrase(int code);
enum exchange_method exchange_method_of(const char *verb);

/* 204 and 304 end with their headers: what came behind them would be read as the next answer. */
bool exchange_has_body(int code);

const char *exchange_header(const struct exchange *ex, const char *name, size_t n);
void exchange_set(struct exchange *ex, const char *name, const char *value);

/* Sends ex->out; content_type may be NULL. Ends the exchange, as do the next two. */
void exchange_reply(struct exchange *ex, int code, const char *content_type);

/* What a mux says: plain text, a newline behind it. */
void exchange_refuse(struct exchange *ex, int code, const char *text);

/* What a profile handler says: the same, marked so that pprof shows the text. */
void exchange_error(struct exchange *ex, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The reason that ex->why or ex->status gives, in a sentence. */
const char *exchange_because(const struct exchange *ex);

/* Calls then(ex) after ns. */
void exchange_wait(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex));

/* Calls job(ex) where time may be taken, then then(ex) here: if the client is still there. job is left out when the
 * server stops first. */
void exchange_run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex));

/* Has the program's own function c->run called, then then(ex, c, late): see http/call. */
void exchange_call(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late));

/* For the ports: what every exchange has, freed. */
void exchange_free(struct exchange *ex);

#endif
