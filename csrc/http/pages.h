/*
 * Pages of the program's own on our server: which paths are theirs, and calling who makes them (http/call).
 */
#ifndef CPROF_HTTP_PAGES_H
#define CPROF_HTTP_PAGES_H

#include "base/status.h"
#include "http/exchange.h"
#include "http/mount.h"

/* Writes the answer by pages_set and pages_write, returns its code. On the calls' thread. */
typedef int pages_fn(void *page, const struct mount_request *r, struct mount_answer *a);

/* Any thread. path begins with a slash; one that ends with a slash is for all below it. page is freed when it is taken
 * away and no call uses it any more. STATUS_IN_USE for our own paths and taken ones, STATUS_INVALID. */
enum status pages_add(const char *path, pages_fn *fn, void *page, struct reason *why);

/* STATUS_NOT_RUNNING where there is none. */
enum status pages_remove(const char *path);

/* Without "." and "..", doubled slashes. */
bool pages_is_clean(const char *path, size_t n);

/* Answers if the path, decoded, is one of theirs. */
bool pages_serve(struct exchange *ex, const char *path, size_t n);

/* STATUS_INVALID for what cannot stand in a header. */
enum status pages_set(struct mount_answer *a, const char *name, const char *value);
enum status pages_write(struct mount_answer *a, const void *bytes, size_t n);

#endif
