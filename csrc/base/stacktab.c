#include "base/stacktab.h"

#include <string.h>

#define FIRST_BUCKETS 1024

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 32;
}

static uint64_t hash_stack(const struct stack_key *key, const uint64_t *pc, uint32_t depth)
{
    uint64_t words[sizeof *key / sizeof(uint64_t)];
    _Static_assert(sizeof words == sizeof *key, "no byte of the key is left out, and none is padding");
    memcpy(words, key, sizeof words);
    uint64_t h = depth;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        h = mix(h, words[i]);
    for (uint32_t i = 0; i < depth; i++)
        h = mix(h, pc[i]);
    return h;
}

static bool is_same(const struct stack *s, uint64_t hash, const struct stack_key *key, const uint64_t *pc,
                    uint32_t depth)
{
    return s->hash == hash && s->depth == depth && memcmp(&s->key, key, sizeof *key) == 0 &&
           memcmp(s->pc, pc, depth * sizeof *pc) == 0;
}

enum status stacktab_init(struct stacktab *t)
{
    *t = (struct stacktab){0};
    t->buckets = slab_pages(FIRST_BUCKETS * sizeof *t->buckets);
    if (!t->buckets)
        return STATUS_NOMEM;
    t->n_buckets = FIRST_BUCKETS;
    return STATUS_OK;
}

void stacktab_fini(struct stacktab *t)
{
    slab_fini(&t->stacks);
    slab_pages_free(t->buckets, t->n_buckets * sizeof *t->buckets);
    *t = (struct stacktab){0};
}

void stacktab_clear(struct stacktab *t)
{
    slab_fini(&t->stacks);
    memset(t->buckets, 0, t->n_buckets * sizeof *t->buckets);
    memset(t->refused, 0, sizeof t->refused);
    t->n = t->bytes = 0;
}

/* When memory for more buckets cannot be had the chains just grow. */
static void grow(struct stacktab *t)
{
    size_t n = t->n_buckets * 2;
    struct stack **buckets = slab_pages(n * sizeof(struct stack *));
    if (!buckets)
        return;
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (struct stack *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            s->next = buckets[s->hash & (n - 1)];
            buckets[s->hash & (n - 1)] = s;
        }
    }
    slab_pages_free(t->buckets, t->n_buckets * sizeof *t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
}

static struct stack *insert(struct stacktab *t, uint64_t hash, const struct stack_key *key, const uint64_t *pc,
                            uint32_t depth)
{
    size_t bytes = sizeof(struct stack) + depth * sizeof *pc;
    struct stack *s = t->bytes + bytes <= STACKTAB_MAX_BYTES ? slab_get(&t->stacks, bytes) : NULL;
    if (!s)
        return NULL;
    if (t->n >= t->n_buckets)
        grow(t);
    struct stack **bucket = &t->buckets[hash & (t->n_buckets - 1)];
    *s = (struct stack){.next = *bucket, .hash = hash, .key = *key, .depth = depth};
    memcpy(s->pc, pc, depth * sizeof *pc);
    *bucket = s;
    t->n++;
    t->bytes += bytes;
    return s;
}

struct stack *stacktab_add(struct stacktab *t, const struct stack_key *key, const uint64_t *pc, uint32_t depth,
                           const int64_t weight[STACKTAB_WEIGHTS])
{
    uint64_t hash = hash_stack(key, pc, depth);
    struct stack *s = t->buckets[hash & (t->n_buckets - 1)];
    while (s && !is_same(s, hash, key, pc, depth))
        s = s->next;
    if (!s)
        s = insert(t, hash, key, pc, depth);
    int64_t *sum = s ? s->weight : t->refused;
    for (size_t i = 0; i < STACKTAB_WEIGHTS; i++)
        sum[i] += weight[i];
    return s;
}

enum status stacktab_each(const struct stacktab *t, enum status (*fn)(void *arg, const struct stack *s), void *arg)
{
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (const struct stack *s = t->buckets[i]; s; s = s->next) {
            enum status status = fn(arg, s);
            if (status)
                return status;
        }
    }
    return STATUS_OK;
}
