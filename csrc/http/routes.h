/*
 * What is served where: one table. The rules around it (cleaning, redirects, methods) are those of Go's
 * ServeMux with net/http/pprof's patterns.
 */
#ifndef CPROF_HTTP_ROUTES_H
#define CPROF_HTTP_ROUTES_H

#include "http/exchange.h"

#define ROUTES_PREFIX "/debug/pprof/"

struct route {
    const char *name;
    const char *description;
    bool post; /* beside GET and HEAD */
    void (*serve)(struct exchange *ex);
};

extern const struct route routes[]; /* by name, ends with a NULL name */

/* Answers, now or later. Loop's thread. */
void routes_serve(struct exchange *ex);

/* The handlers, a file each. */
void index_serve(struct exchange *ex);
void cmdline_serve(struct exchange *ex);
void profile_serve(struct exchange *ex);
void symbol_serve(struct exchange *ex);

#endif
