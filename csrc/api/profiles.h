/*
 * The profiles by name behind cprof.h: the program's own, and a handle for each built-in one, which can be looked up
 * and counted, and nothing can be added to.
 */
#ifndef CPROF_API_PROFILES_H
#define CPROF_API_PROFILES_H

#include "base/any/here.h"
#include "base/buf.h"
#include "base/status.h"

#include <stdint.h>

struct cprof_profile;

enum status profiles_new(const char *name, struct cprof_profile **out, struct reason *why);
struct cprof_profile *profiles_lookup(const char *name);

/* NULL and the built-in ones: STATUS_INVALID. */
enum status profiles_add(struct cprof_profile *p, const void *value, int skip, const struct here *from,
                         struct reason *why);
void profiles_remove(struct cprof_profile *p, const void *value);
uint64_t profiles_count(const struct cprof_profile *p);

/* Appends a snapshot to out, made on a thread of ours: naming takes more stack than the caller's may have. */
enum status profiles_write(const char *kind, int64_t debug, struct buf *out, struct reason *why);

#endif
