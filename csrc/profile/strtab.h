/*
 * Strings interned to dense ids, in the order of first use; id 0 is always "". Strings may hold any
 * bytes but NUL-termination is kept for C's convenience. Ordinary threads only, no locking.
 */
#ifndef CPROF_PROFILE_STRTAB_H
#define CPROF_PROFILE_STRTAB_H

#include "base/status.h"
#include "base/vec.h"
#include "profile/rowindex.h"

struct strtab {
    char *bytes; /* every string, each followed by NUL */
    size_t bytes_len, bytes_cap;
    struct vec_u64 offset; /* of string id in bytes; offset.n == number of strings + 1 */
    struct rowindex by_text;
};

/* On failure t is left as strtab_fini leaves it. */
enum status strtab_init(struct strtab *t);
void strtab_fini(struct strtab *t);

/* The id of these n bytes, which may lie in t itself. STATUS_NOMEM, or STATUS_TOO_BIG past 2^31 strings. */
enum status strtab_intern_bytes(struct strtab *t, const char *bytes, size_t n, uint32_t *id);
enum status strtab_intern(struct strtab *t, const char *text, uint32_t *id);

size_t strtab_count(const struct strtab *t);
const char *strtab_at(const struct strtab *t, uint32_t id); /* NUL-terminated; valid until next intern */
size_t strtab_len(const struct strtab *t, uint32_t id);

#endif
