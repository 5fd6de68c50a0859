/*
 * The public HTTP functions: cprof's pages behind the program's server, and the program's pages behind ours. See
 * cprof.h.
 */
#ifndef CPROF_API_EMBEDDED_H
#define CPROF_API_EMBEDDED_H

#include <stddef.h>

struct cprof_http_request;
struct cprof_http_response;

int embedded_handle(int what, const char *name, const struct cprof_http_request *req, struct cprof_http_response *res);
void embedded_response_free(struct cprof_http_response *res);
int embedded_set(struct cprof_http_response *res, const char *name, const char *value);
int embedded_write(struct cprof_http_response *res, const void *bytes, size_t n);
int embedded_route(const char *path,
                   int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg),
                   void *arg);

#endif
