/*
 * One request and its answer, as handlers see it. A handler is called on the loop's thread and either replies
 * at once or first waits (exchange_wait) or has a worker do something (exchange_run); after a reply the
 * exchange is gone. When the client leaves earlier, drop() is called at once (once the worker is done with
 * it, if it is there) and nothing more.
 */
#ifndef CPROF_HTTP_EXCHANGE_H
#define CPROF_HTTP_EXCHANGE_H

#include "base/buf.h"
#include "base/status.h"
#include "http/target.h"
#include "http/work.h"

#include <stdbool.h>
#include <stdint.h>

struct evhttp_request;
struct peer;

enum exchange_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

struct exchange {
    /* the request; copies, so that a worker may read them after the client left */
    enum exchange_method method;
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

    /* exchange.c's */
    struct peer *peer;          /* NULL: the client left */
    struct evhttp_request *req; /* likewise */
    int64_t due_ns;             /* 0: not waiting */
    void (*then)(struct exchange *ex);
    void (*job)(struct exchange *ex);
    bool working;
    struct work work;
};

/* For peer.c and loop.c. */
struct exchange *exchange_new(struct peer *p, struct evhttp_request *req);
void exchange_gone(struct exchange *ex);
void exchange_due(struct exchange *ex);
const char *exchange_phrase(int code);

/* The value of a request header, NULL when absent; n counts from 0 for headers given more than once. */
const char *exchange_header(const struct exchange *ex, const char *name, size_t n);

void exchange_set(struct exchange *ex, const char *name, const char *value);

/* Sends ex->out. Ends the exchange, as do the next two. */
void exchange_reply(struct exchange *ex, int code, const char *content_type);

/* What a mux says: plain text, a newline behind it. */
void exchange_refuse(struct exchange *ex, int code, const char *text);

/* What a profile handler says: the same, marked so that pprof shows the text. */
void exchange_error(struct exchange *ex, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Calls then(ex) after ns. */
void exchange_wait(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex));

/* Calls job(ex) on the worker, then then(ex) here: if the client is still there. job is left out when the
 * server stops first. */
void exchange_run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex));

#endif
