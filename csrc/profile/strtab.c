#include "profile/strtab.h"

#include "profile/hash.h"

#include <string.h>

static bool bytes_reserve(struct strtab *t, size_t more)
{
    if (more <= t->bytes_cap - t->bytes_len)
        return true;
    size_t want = t->bytes_cap ? t->bytes_cap * 2 : 256;
    while (want < t->bytes_len + more)
        want *= 2;
    char *grown = realloc(t->bytes, want);
    if (!grown)
        return false;
    t->bytes = grown;
    t->bytes_cap = want;
    return true;
}

static enum status append(struct strtab *t, const char *bytes, size_t n, uint64_t hash, uint32_t *id)
{
    size_t count = strtab_count(t);
    if (count >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    /* A part of one of t's own strings moves when bytes grow. */
    uintptr_t within = (uintptr_t)bytes - (uintptr_t)t->bytes;
    bool own = t->bytes && within < t->bytes_len;
    if (!bytes_reserve(t, n + 1) || !vec_u64_reserve(&t->offset, 1) || !rowindex_reserve(&t->by_text))
        return STATUS_NOMEM;
    if (n)
        memcpy(t->bytes + t->bytes_len, own ? t->bytes + within : bytes, n);
    t->bytes[t->bytes_len + n] = '\0';
    t->bytes_len += n + 1;
    t->offset.at[t->offset.n++] = t->bytes_len;
    rowindex_put(&t->by_text, hash, (uint32_t)count);
    *id = (uint32_t)count;
    return STATUS_OK;
}

enum status strtab_init(struct strtab *t)
{
    *t = (struct strtab){0};
    rowindex_init(&t->by_text);
    uint32_t empty;
    enum status status = vec_u64_push(&t->offset, 0) ? strtab_intern_bytes(t, "", 0, &empty) : STATUS_NOMEM;
    if (status != STATUS_OK)
        strtab_fini(t);
    return status;
}

void strtab_fini(struct strtab *t)
{
    free(t->bytes);
    vec_u64_fini(&t->offset);
    rowindex_fini(&t->by_text);
    *t = (struct strtab){0};
}

enum status strtab_intern_bytes(struct strtab *t, const char *bytes, size_t n, uint32_t *id)
{
    uint64_t hash = hash_bytes(t->by_text.seed, bytes, n);
    struct rowindex_probe probe = rowindex_start(hash);
    uint32_t candidate;
    while (rowindex_next(&t->by_text, &probe, &candidate)) {
        if (strtab_len(t, candidate) == n && (!n || memcmp(strtab_at(t, candidate), bytes, n) == 0)) {
            *id = candidate;
            return STATUS_OK;
        }
    }
    return append(t, bytes, n, hash, id);
}

enum status strtab_intern(struct strtab *t, const char *text, uint32_t *id)
{
    return strtab_intern_bytes(t, text, strlen(text), id);
}

size_t strtab_count(const struct strtab *t)
{
    return t->offset.n - 1;
}

const char *strtab_at(const struct strtab *t, uint32_t id)
{
    return t->bytes + t->offset.at[id];
}

size_t strtab_len(const struct strtab *t, uint32_t id)
{
    return t->offset.at[id + 1] - t->offset.at[id] - 1;
}
