/*
 * Requests of our server's clients, by libevent's evhttp, and the way their answers go. Loop's thread.
 */
#ifndef CPROF_HTTP_WIRE_H
#define CPROF_HTTP_WIRE_H

#include "http/exchange.h"

/* NULL without memory. */
struct exchange *wire_new(struct peer *p, struct evhttp_request *req);

/* The client left. */
void wire_gone(struct exchange *ex);

/* What it waited for has come. */
void wire_due(struct exchange *ex);

#endif
