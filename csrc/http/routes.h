/*
 * What is served where. The rules around it (cleaning, redirects, methods) are those of Go's ServeMux with
 * net/http/pprof's and expvar's patterns.
 */
#ifndef CPROF_HTTP_ROUTES_H
#define CPROF_HTTP_ROUTES_H

#include "encode/named.h"
#include "http/exchange.h"

#define ROUTES_PREFIX "/debug/pprof/"

/* What is below the prefix beside the named profiles (encode/named). */
struct route {
    const char *name;
    const char *description;
    bool post; /* beside GET and HEAD */
    void (*serve)(struct exchange *ex);
};

extern const struct route routes[]; /* by name, ends with a NULL name */

/* Answers, now or later. Loop's thread, or that of a mounting. */
void routes_serve(struct exchange *ex);

/* The profile of that name, or "cmdline", "profile", "symbol", wherever it is mounted: the path is not looked at, and
 * who may ask has been decided. An empty name is the index. */
void routes_serve_profile(struct exchange *ex, const char *name, size_t n);
void routes_serve_vars(struct exchange *ex);

/* The handlers, a file each. */
void index_serve(struct exchange *ex);
void cmdline_serve(struct exchange *ex);
void profile_serve(struct exchange *ex);
void symbol_serve(struct exchange *ex);
void trace_serve(struct exchange *ex);
void named_serve(struct exchange *ex, const struct named *profile);
void vars_serve(struct exchange *ex);    /* /debug/vars */
void metrics_serve(struct exchange *ex); /* /debug/metrics */
/* ROUTES_PREFIX "ui/" and what is below: name is what follows the prefix, decoded. */
void ui_serve(struct exchange *ex, const char *name, size_t n);

#endif
