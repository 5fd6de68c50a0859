/*
 * The profiles that have a name: /debug/pprof/NAME, in binary and as text. One table for the built-in ones, and what
 * the program has made itself. A CPU profile is not among them: it needs a window (encode/capture).
 *
 * Ordinary threads; nothing here may run on a thread that must not wait for the loader, but for named_find, named_at
 * and named_count.
 */
#ifndef CPROF_ENCODE_NAMED_H
#define CPROF_ENCODE_NAMED_H

#include "base/buf.h"
#include "base/status.h"
#include "encode/naming.h"
#include "profile/model.h"
#include "sampler/custom.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct named_kind;

struct named {
    const struct named_kind *kind;
    const char *name; /* as it was asked for: "thread" is "goroutine" for people */
    const char *description;
    bool has_delta;        /* may two of them be subtracted? */
    bool has_gc;           /* does gc=1 mean something? */
    struct custom *custom; /* the program's own profile, or NULL */
};

/* False where there is none of that name. */
bool named_find(const char *name, size_t n, struct named *out);

/* The i-th by name, without aliases; false beyond the last. */
bool named_at(size_t i, struct named *out);

/* The built-in one of that kind; false where kind points to something else. */
bool named_of(const void *kind, struct named *out);

/* How many records there are, as the index shows them. Quick. */
uint64_t named_count(const struct named *p);

/* A snapshot: m is initialised here and valid only on STATUS_OK. */
enum status named_model(const struct named *p, enum naming_names names, struct model *m, struct reason *why);

/* later - earlier, as `seconds=` gives it: both stay the caller's. */
enum status named_delta(const struct model *earlier, const struct model *later, struct model *m, struct reason *why);

/* debug: 0 a gzipped profile, else text; 2 and more differ from 1 for goroutine only. Appends to out. */
enum status named_write(const struct named *p, int64_t debug, enum naming_names names, struct buf *out,
                        struct reason *why);

#endif
