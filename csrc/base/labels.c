#include "base/labels.h"

#include "base/slab.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HEADS 16384u /* 64 KiB: a full table has four sets to a chain */

/* A set's number is its place. The first is nobody's: 0 is the set without labels. */
#define UNIT            8u
#define UNITS_PER_CHUNK ((uint32_t)(LABELS_CHUNK_BYTES / UNIT))
#define UNITS_MAX       ((uint32_t)(LABELS_MAX_BYTES / UNIT))

_Static_assert(UNITS_MAX <= LABEL_SET_MASK, "a set's number fits into a word");

/* Sets looked at in a chain. Values that a stranger chose so that they fall into one are refused, not searched for. */
#define CHAIN_MAX 256

#define WORD_TRIES 64 /* places looked at for a thread's word */

struct set {
    _Atomic uint32_t next; /* in its chain; before it is there */
    uint32_t hash;
    uint32_t parent;         /* the set that this adds to */
    uint32_t back;           /* the set that a pop goes back to; not parent where several were pushed at once */
    uint16_t key_n, value_n; /* a key of no bytes: it adds nothing */
    uint16_t depth;
    char text[]; /* key, NUL, value, NUL */
};

struct text {
    const char *key, *value;
    size_t key_n, value_n;
};

static struct labels own = {.used = 1};
static _Atomic(struct labels *) settled;
static _Atomic(struct labels *) used;

static struct labels *all(void)
{
    struct labels *l = atomic_load_explicit(&used, memory_order_acquire);
    return l ? l : &own;
}

/* Every caller writes the same. */
struct labels *labels_own(void)
{
    own.place.offset = (ptrdiff_t)((uintptr_t)&label_word_own - label_thread_pointer());
    return &own;
}

struct labels *labels_settle(struct labels *offered)
{
    struct labels *first = NULL;
    return atomic_compare_exchange_strong(&settled, &first, offered) ? offered : first;
}

void labels_use(struct labels *in_force)
{
    atomic_store_explicit(&used, in_force, memory_order_release);
    atomic_store_explicit(&label_place, &in_force->place, memory_order_release);
}

/* --- sets --------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(size_t key_n, size_t value_n)
{
    size_t n = sizeof(struct set) + key_n + value_n + 2;
    return (n + UNIT - 1) / UNIT * UNIT;
}

/* NULL for a number that cannot be one, wherever it comes from. */
static const struct set *at(struct labels *l, uint32_t number)
{
    if (!number || number >= atomic_load_explicit(&l->used, memory_order_acquire))
        return NULL;
    const unsigned char *chunk = atomic_load_explicit(&l->chunks[number / UNITS_PER_CHUNK], memory_order_acquire);
    size_t offset = (size_t)(number % UNITS_PER_CHUNK) * UNIT;
    if (!chunk || offset + sizeof(struct set) > LABELS_CHUNK_BYTES)
        return NULL;
    const struct set *s = (const struct set *)(const void *)(chunk + offset);
    return offset + bytes_of(s->key_n, s->value_n) <= LABELS_CHUNK_BYTES ? s : NULL;
}

/* Pages that several threads may want first at once: one of them brings them. */
static void *pages(_Atomic(void *) *place, size_t n)
{
    void *there = atomic_load_explicit(place, memory_order_acquire);
    if (there)
        return there;
    int saved = errno;
    void *fresh = slab_pages(n);
    if (fresh && !atomic_compare_exchange_strong(place, &there, fresh))
        slab_pages_free(fresh, n);
    else
        there = fresh;
    errno = saved;
    return there;
}

/* Room that nobody else gets; 0: there is none. No set lies across two chunks. */
static uint32_t take_room(struct labels *l, size_t bytes)
{
    uint32_t units = (uint32_t)(bytes / UNIT), from = atomic_load_explicit(&l->used, memory_order_relaxed), place;
    do {
        uint32_t left = UNITS_PER_CHUNK - from % UNITS_PER_CHUNK;
        place = left < units ? from + left : from;
        if (place + units > UNITS_MAX)
            return 0;
    } while (!atomic_compare_exchange_weak(&l->used, &from, place + units));
    return pages(&l->chunks[place / UNITS_PER_CHUNK], LABELS_CHUNK_BYTES) ? place : 0;
}

static uint32_t hash_text(uint32_t hash, const char *bytes, size_t n)
{
    uint64_t h = hash, word = 0;
    for (; n >= sizeof word; bytes += sizeof word, n -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    word = (uint64_t)n << 56;
    memcpy(&word, bytes, n);
    h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(h ^ h >> 32);
}

static bool equals(const struct set *s, uint32_t hash, uint32_t parent, uint32_t back, const struct text *t)
{
    return s->hash == hash && s->parent == parent && s->back == back && s->key_n == t->key_n &&
           s->value_n == t->value_n && memcmp(s->text, t->key, t->key_n) == 0 &&
           memcmp(s->text + t->key_n + 1, t->value, t->value_n) == 0;
}

/* In a chain, from first to before end. *full: it is as long as a chain may be. */
static uint32_t find(struct labels *l, uint32_t first, uint32_t end, uint32_t hash, uint32_t parent, uint32_t back,
                     const struct text *t, bool *full)
{
    int n = 0;
    for (uint32_t number = first; number != end;) {
        const struct set *s = at(l, number);
        if ((*full = ++n > CHAIN_MAX))
            return 0;
        if (!s || equals(s, hash, parent, back, t))
            return s ? number : 0;
        number = atomic_load_explicit(&s->next, memory_order_relaxed);
    }
    return 0;
}

static uint32_t make(struct labels *l, uint32_t hash, uint32_t parent, uint32_t back, const struct text *t)
{
    const struct set *before = at(l, parent);
    uint16_t depth = before ? before->depth + 1 : 1;
    if (depth > LABELS_MAX_DEPTH || atomic_load_explicit(&l->n, memory_order_relaxed) >= LABELS_MAX_SETS)
        return 0;
    uint32_t number = take_room(l, bytes_of(t->key_n, t->value_n));
    if (!number)
        return 0;
    atomic_fetch_add_explicit(&l->n, 1, memory_order_relaxed);
    unsigned char *chunk = atomic_load_explicit(&l->chunks[number / UNITS_PER_CHUNK], memory_order_acquire);
    struct set *s = (struct set *)(void *)(chunk + (size_t)(number % UNITS_PER_CHUNK) * UNIT);
    *s = (struct set){.hash = hash,
                      .parent = parent,
                      .back = back,
                      .key_n = (uint16_t)t->key_n,
                      .value_n = (uint16_t)t->value_n,
                      .depth = depth};
    memcpy(s->text, t->key, t->key_n);
    memcpy(s->text + t->key_n + 1, t->value, t->value_n);
    return number;
}

/* Into its chain, unless another thread has put the same there meanwhile: then ours stays unused. */
static uint32_t put(struct labels *l, _Atomic uint32_t *head, uint32_t first, uint32_t number, const struct text *t)
{
    struct set *s = (struct set *)(uintptr_t)at(l, number);
    for (;;) {
        uint32_t known = first;
        atomic_store_explicit(&s->next, first, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(head, &first, number, memory_order_release, memory_order_acquire))
            return number;
        bool full;
        uint32_t twin = find(l, first, known, s->hash, s->parent, s->back, t, &full);
        if (twin)
            return twin;
    }
}

static uint32_t add(struct labels *l, uint32_t parent, uint32_t back, const struct text *t)
{
    _Atomic uint32_t *heads = pages(&l->heads, HEADS * sizeof *heads);
    if (!heads)
        return 0;
    uint32_t hash = hash_text(hash_text(parent * 31 + back, t->key, t->key_n), t->value, t->value_n);
    _Atomic uint32_t *head = &heads[hash % HEADS];
    uint32_t first = atomic_load_explicit(head, memory_order_acquire);
    bool full = false;
    uint32_t number = find(l, first, 0, hash, parent, back, t, &full);
    if (!number && !full && (number = make(l, hash, parent, back, t)))
        number = put(l, head, first, number, t);
    return number;
}

static bool is_listed(const struct label *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].key, key) == 0)
            return true;
    return false;
}

size_t labels_list(uint32_t number, struct label out[LABELS_MAX_DEPTH])
{
    struct labels *l = all();
    const struct set *s = at(l, number);
    size_t n = 0;
    for (int depth = 0; s && depth < LABELS_MAX_DEPTH; depth++, s = at(l, s->parent))
        if (s->key_n && !is_listed(out, n, s->text))
            out[n++] = (struct label){s->text, s->text + s->key_n + 1};
    return n;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static uint64_t bits_of(struct label_word *word)
{
    return atomic_load_explicit(&word->bits, memory_order_relaxed);
}

static void write_set(struct label_word *word, uint32_t set)
{
    atomic_store_explicit(&word->bits, (bits_of(word) & ~LABEL_SET_MASK) | set, memory_order_release);
}

/* libc keeps it in the thread's clock, and need not ask: a thread may begin its life under a filter that ends it for
 * asking. A clock's id is the complement of the thread's, above three bits that say of what kind it is. */
static uint64_t own_tid(void)
{
    const clockid_t threads_cpu = 6;
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0 && (clock & 7) == threads_cpu)
        return (uint64_t) ~((int64_t)clock >> 3);
    return (uint64_t)syscall(SYS_gettid);
}

static void write_tid(struct label_word *word)
{
    uint64_t tid = own_tid() & LABEL_TID_MASK;
    uint64_t others = bits_of(word) & ~(LABEL_TID_MASK << LABEL_TID_SHIFT);
    atomic_store_explicit(&word->bits, others | tid << LABEL_TID_SHIFT, memory_order_relaxed);
}

/* The addresses come again: glibc gives a new thread the stack, and the thread-locals, of one that has ended. */
static void announce(struct labels *l, struct label_word *word)
{
    _Atomic uintptr_t *words = pages(&l->words, LABELS_MAX_WORDS * sizeof *words);
    uintptr_t address = (uintptr_t)word;
    uint64_t place = (address * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    write_tid(word);
    atomic_store_explicit(&l->place.used, true, memory_order_relaxed);
    for (int i = 0; words && i < WORD_TRIES; i++, place++) {
        uintptr_t there = 0;
        if (atomic_compare_exchange_strong(&words[place % LABELS_MAX_WORDS], &there, address) || there == address)
            return;
    }
}

void labels_know_thread(void)
{
    struct label_word *word = label_word();
    if (label_tid_in(bits_of(word)))
        write_tid(word);
}

/* A value is at its key's place + 1. */
static enum status check(const char *const *pairs)
{
    size_t n = 0;
    for (; pairs[0]; pairs += 2, n++) {
        if (!*pairs[0] || !pairs[1])
            return STATUS_INVALID;
        if (strnlen(pairs[0], LABELS_MAX_KEY + 1) > LABELS_MAX_KEY ||
            strnlen(pairs[1], LABELS_MAX_VALUE + 1) > LABELS_MAX_VALUE)
            return STATUS_TOO_BIG;
    }
    return n <= LABELS_MAX_DEPTH ? STATUS_OK : STATUS_TOO_BIG;
}

static const struct text nothing = {"", "", 0, 0};

/* The last one knows the way back. */
static uint32_t add_all(struct labels *l, uint32_t from, const char *const *pairs)
{
    uint32_t number = from;
    if (!pairs[0])
        return add(l, from, from, &nothing);
    do {
        const struct text t = {pairs[0], pairs[1], strlen(pairs[0]), strlen(pairs[1])};
        number = add(l, number, pairs[2] ? number : from, &t);
        pairs += 2;
    } while (number && pairs[0]);
    return number;
}

static enum status refuse(struct labels *l, enum status why)
{
    atomic_fetch_add_explicit(&l->refused, 1, memory_order_relaxed);
    return why;
}

/* Where a push fails nothing is added, but what a pop takes away again; where even that finds no room it is counted,
 * and so are those inside it. */
enum status labels_push(const char *const *pairs)
{
    static const char *const none[] = {NULL};
    struct labels *l = all();
    struct label_word *word = label_word();
    uint64_t bits = bits_of(word);
    enum status status = check(pairs);
    uint32_t number = bits < LABEL_REFUSED_ONE ? add_all(l, label_set_in(bits), status ? none : pairs) : 0;
    if (!number) {
        atomic_store_explicit(&word->bits, bits + LABEL_REFUSED_ONE, memory_order_relaxed);
        return refuse(l, status ? status : STATUS_TOO_BIG);
    }
    if (!label_tid_in(bits))
        announce(l, word);
    write_set(word, number);
    return status ? refuse(l, status) : STATUS_OK;
}

void labels_pop(void)
{
    struct label_word *word = label_word();
    uint64_t bits = bits_of(word);
    const struct set *s = at(all(), label_set_in(bits));
    if (bits >= LABEL_REFUSED_ONE)
        atomic_store_explicit(&word->bits, bits - LABEL_REFUSED_ONE, memory_order_relaxed);
    else
        write_set(word, s ? s->back : 0);
}

void labels_inherit(uint32_t set)
{
    struct label_word *word = label_word();
    announce(all(), word);
    write_set(word, set);
}

void labels_clear(void)
{
    write_set(label_word(), 0);
}

uint32_t labels_with(uint32_t set, const char *key, const char *value)
{
    const struct text t = {key, value, strlen(key), strlen(value)};
    return *key && t.key_n <= LABELS_MAX_KEY && t.value_n <= LABELS_MAX_VALUE ? add(all(), set, set, &t) : 0;
}

const _Atomic uintptr_t *labels_words(void)
{
    return atomic_load_explicit(&all()->words, memory_order_acquire);
}

struct labels_stats labels_stats(void)
{
    struct labels *l = all();
    struct labels_stats stats = {.sets = atomic_load(&l->n), .refused = atomic_load(&l->refused)};
    for (size_t i = 0; i < LABELS_CHUNKS; i++)
        stats.bytes += atomic_load(&l->chunks[i]) ? LABELS_CHUNK_BYTES : 0;
    stats.bytes += atomic_load(&l->heads) ? HEADS * sizeof(uint32_t) : 0;
    stats.bytes += atomic_load(&l->words) ? LABELS_MAX_WORDS * sizeof(uintptr_t) : 0;
    return stats;
}
