/*
 * The target of a request line, read as Go's net/url and ServeMux read it: split into path and query, the
 * path cleaned while still escaped, segments decoded one by one, the query as form values. Pure functions
 * over text, for any thread.
 */
#ifndef CPROF_HTTP_TARGET_H
#define CPROF_HTTP_TARGET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Slices of the text given to target_split. */
struct target {
    const char *host; /* of an absolute URL; empty otherwise */
    size_t host_len;
    const char *path; /* escaped; may be empty for an absolute URL */
    size_t path_len;
    const char *query; /* raw, without '?'; NULL when there is no '?' */
    size_t query_len;
};

/* False when text is neither an absolute path nor an http URL, or has a space, a control character or a bad escape
 * in its path. */
bool target_split(const char *text, struct target *out);

/* "." and ".." and doubled slashes resolved, a trailing slash kept, never empty. Appends to out. */
void target_clean(const char *path, size_t n, struct buf *out);

/* Decodes %XX, and '+' as a space where plus is set. False on a bad escape. Appends to out. */
bool target_decode(const char *text, size_t n, bool plus, struct buf *out);

/* The first value of key among the form values of a query, decoded. False when there is none. */
bool target_value(const char *query, size_t n, const char *key, struct buf *out);

#endif
