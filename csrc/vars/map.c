#include "vars/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define MIN_SLOTS 8

struct map_table {
    struct garbage garbage;
    size_t slots;      /* a power of two */
    bool owns_entries; /* set before it is retired */
    _Atomic(struct map_entry *) at[];
};

/* What stands where an entry was: probing goes on behind it. No object's address: the core reads the front's tables,
 * and would have an object of its own. */
#define REMOVED ((struct map_entry *)1)

/* Keys may come from strangers (paths of requests): the seed keeps them from choosing where they collide. */
static uint64_t seed(void)
{
    static _Atomic uint64_t kept;
    uint64_t s = atomic_load_explicit(&kept, memory_order_relaxed);
    const void *random = s ? NULL : (const void *)(uintptr_t)getauxval(AT_RANDOM);
    if (random)
        memcpy(&s, random, sizeof s);
    if (!s)
        s = 1;
    atomic_store_explicit(&kept, s, memory_order_relaxed);
    return s;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const char *key, size_t n)
{
    uint64_t h = mix(seed() ^ n, UINT64_C(0x9e3779b97f4a7c15)), word = 0;
    for (; n >= 8; n -= 8, key += 8) {
        memcpy(&word, key, 8);
        h = mix(h ^ word, UINT64_C(0xd6e8feb86659fd93)) + word;
    }
    word = 0;
    memcpy(&word, key, n);
    return mix(h ^ word, UINT64_C(0xa0761d6478bd642f)) + word;
}

/* The slot of the key, else the one that it would take: the first removed one on its way, or the free one at the end.
 * There always is a free one. */
static _Atomic(struct map_entry *) *slot_of(struct map_table *t, uint64_t hash, const char *key, size_t n,
                                            struct map_entry **found)
{
    _Atomic(struct map_entry *) *vacant = NULL;
    *found = NULL;
    for (size_t i = (size_t)hash;; i++) {
        _Atomic(struct map_entry *) *slot = &t->at[i & (t->slots - 1)];
        struct map_entry *e = atomic_load_explicit(slot, memory_order_acquire);
        if (e && e != REMOVED && e->hash == hash && e->n == n && memcmp(e->key, key, n) == 0) {
            *found = e;
            return slot;
        }
        if (!e)
            return vacant ? vacant : slot;
        if (e == REMOVED && !vacant)
            vacant = slot;
    }
}

static struct map_entry *find(struct var *map, uint64_t hash, const char *key, size_t n)
{
    struct map_entry *found = NULL;
    struct map_table *t = atomic_load(&map->map.table);
    if (t)
        slot_of(t, hash, key, n, &found);
    return found;
}

static void free_entry(struct garbage *self)
{
    struct map_entry *e = (struct map_entry *)self;
    var_drop(e->value);
    free(e);
}

static void free_table(struct garbage *self)
{
    struct map_table *t = (struct map_table *)self;
    for (size_t i = 0; t->owns_entries && i < t->slots; i++) {
        struct map_entry *e = atomic_load_explicit(&t->at[i], memory_order_relaxed);
        if (e && e != REMOVED)
            free_entry(&e->garbage);
    }
    free(t);
}

static void free_order(struct garbage *self)
{
    free(self);
}

/* Takes over the caller's reference to value. */
static struct map_entry *new_entry(uint64_t hash, const char *key, size_t n, struct var *value)
{
    struct map_entry *e = malloc(sizeof *e + n);
    if (!e) {
        var_drop(value);
        return NULL;
    }
    *e = (struct map_entry){.garbage.free = free_entry, .value = value, .hash = hash, .n = n};
    memcpy(e->key, key, n);
    return e;
}

static struct map_table *new_table(size_t slots)
{
    struct map_table *t = calloc(1, sizeof *t + slots * sizeof t->at[0]);
    if (t) {
        t->garbage.free = free_table;
        t->slots = slots;
    }
    return t;
}

/* Twice what lives: a table full of removed slots is made anew at its size, or smaller. */
static size_t slots_for(size_t live)
{
    size_t slots = MIN_SLOTS;
    while (slots < (live + 1) * 2)
        slots *= 2;
    return slots;
}

/* Under the lock. */
static struct garbage *order_changes(struct var *map)
{
    map->map.generation++;
    struct map_order *old = atomic_exchange(&map->map.order, NULL);
    return old ? &old->garbage : NULL;
}

/* Under the lock. Entries are in both tables for a moment. Of a new table fewer slots are used: counted behind the
 * store, for the children of fork that has_room speaks of. */
static struct map_table *move_to(struct var *map, struct map_table *t)
{
    struct map_table *old = atomic_load(&map->map.table);
    struct map_entry *found;
    size_t live = 0;
    for (size_t i = 0; old && i < old->slots; i++) {
        struct map_entry *e = atomic_load_explicit(&old->at[i], memory_order_relaxed);
        if (!e || e == REMOVED)
            continue;
        atomic_store_explicit(slot_of(t, e->hash, e->key, e->n, &found), e, memory_order_relaxed);
        live++;
    }
    atomic_store(&map->map.table, t);
    map->map.live = map->map.used = live;
    return old;
}

/* Three quarters of the slots at most are used. Counted before the store that it counts: a child of fork may find one
 * too many, never one too few. */
static bool has_room(const struct var *map, const struct map_table *t)
{
    return t && (map->map.used + 1) * 4 <= t->slots * 3;
}

/* The changes of one call, to be retired behind the lock. */
struct left {
    struct garbage *entry, *order, *table;
};

/* Under the lock. False: *want slots are needed for it, and bigger has fewer. */
static bool place(struct var *map, struct map_entry *fresh, bool replace, struct map_table **bigger, size_t *want,
                  struct left *left, enum status *status)
{
    struct map_entry *found = NULL;
    struct map_table *t = atomic_load(&map->map.table);
    _Atomic(struct map_entry *) *slot = t ? slot_of(t, fresh->hash, fresh->key, fresh->n, &found) : NULL;
    if (found && !replace) {
        *status = STATUS_IN_USE;
        return true;
    }
    if (!found && !has_room(map, t)) {
        *want = slots_for(map->map.live + 1);
        if (!*bigger || (*bigger)->slots < *want)
            return false;
        t = *bigger;
        *bigger = NULL;
        struct map_table *old = move_to(map, t);
        left->table = old ? &old->garbage : NULL;
        slot = slot_of(t, fresh->hash, fresh->key, fresh->n, &found);
    }
    struct map_entry *was = atomic_load_explicit(slot, memory_order_relaxed);
    map->map.live += !found;
    map->map.used += !was;
    left->order = order_changes(map);
    left->entry = found ? &found->garbage : NULL;
    atomic_store(slot, fresh);
    return true;
}

/* The map owns fresh, unless this fails. */
static enum status put(struct var *map, struct map_entry *fresh, bool replace)
{
    enum status status = STATUS_OK;
    struct map_table *bigger = NULL;
    struct left left = {0};
    for (;;) {
        size_t want = 0;
        grace_lock(map->grace);
        bool done = place(map, fresh, replace, &bigger, &want, &left, &status);
        grace_unlock(map->grace);
        if (done)
            break;
        free(bigger);
        if (!(bigger = new_table(want)))
            return STATUS_NOMEM;
    }
    free(bigger);
    grace_retire(map->grace, left.table);
    grace_retire(map->grace, left.order);
    grace_retire(map->grace, left.entry);
    return status;
}

static enum status put_value(struct var *map, const char *key, size_t n, struct var *value, bool replace)
{
    if (!var_is(map, VAR_MAP))
        return STATUS_INVALID;
    struct map_entry *fresh = new_entry(hash_of(key, n), key, n, var_ref(value));
    enum status status = fresh ? put(map, fresh, replace) : STATUS_NOMEM;
    if (fresh && status)
        free_entry(&fresh->garbage);
    return status;
}

enum status map_set(struct var *map, const char *key, size_t n, struct var *value)
{
    return put_value(map, key, n, value, true);
}

enum status map_put_new(struct var *map, const char *key, size_t n, struct var *value)
{
    return put_value(map, key, n, value, false);
}

static void add(struct var *v, enum var_kind kind, int64_t delta, double real_delta)
{
    if (kind == VAR_INT)
        var_int_add(v, delta);
    else
        var_float_add(v, real_delta);
}

/* A new key has its number before it can be found: nobody sees it at zero. */
static enum status add_either(struct var *map, const char *key, size_t n, enum var_kind kind, int64_t delta,
                              double real)
{
    if (!var_is(map, VAR_MAP))
        return STATUS_INVALID;
    uint64_t hash = hash_of(key, n);
    enum status status;
    do {
        unsigned cell = grace_enter(map->grace);
        struct map_entry *e = find(map, hash, key, n);
        if (e)
            add(e->value, kind, delta, real);
        grace_leave(map->grace, cell);
        if (e)
            return STATUS_OK;
        struct var *number = var_new(kind);
        add(number, kind, delta, real);
        struct map_entry *fresh = number ? new_entry(hash, key, n, number) : NULL;
        status = fresh ? put(map, fresh, false) : STATUS_NOMEM;
        if (fresh && status)
            free_entry(&fresh->garbage);
    } while (status == STATUS_IN_USE); /* another thread was first */
    return status;
}

enum status map_add_int(struct var *map, const char *key, size_t n, int64_t delta)
{
    return add_either(map, key, n, VAR_INT, delta, 0);
}

enum status map_add_float(struct var *map, const char *key, size_t n, double delta)
{
    return add_either(map, key, n, VAR_FLOAT, 0, delta);
}

struct var *map_get(struct var *map, const char *key, size_t n)
{
    if (!var_is(map, VAR_MAP))
        return NULL;
    unsigned cell = grace_enter(map->grace);
    struct map_entry *e = find(map, hash_of(key, n), key, n);
    struct var *v = e ? var_ref(e->value) : NULL;
    grace_leave(map->grace, cell);
    return v;
}

bool map_has(struct var *map, const char *key, size_t n)
{
    if (!var_is(map, VAR_MAP))
        return false;
    unsigned cell = grace_enter(map->grace);
    bool has = find(map, hash_of(key, n), key, n);
    grace_leave(map->grace, cell);
    return has;
}

size_t map_count(struct var *map)
{
    if (!var_is(map, VAR_MAP))
        return 0;
    grace_lock(map->grace);
    size_t n = map->map.live;
    grace_unlock(map->grace);
    return n;
}

void map_delete(struct var *map, const char *key, size_t n)
{
    if (!var_is(map, VAR_MAP))
        return;
    struct map_entry *found = NULL;
    struct garbage *order = NULL;
    uint64_t hash = hash_of(key, n);
    grace_lock(map->grace);
    struct map_table *t = atomic_load(&map->map.table);
    _Atomic(struct map_entry *) *slot = t ? slot_of(t, hash, key, n, &found) : NULL;
    if (found) {
        order = order_changes(map);
        atomic_store(slot, REMOVED);
        map->map.live--;
    }
    grace_unlock(map->grace);
    grace_retire(map->grace, order);
    grace_retire(map->grace, found ? &found->garbage : NULL);
}

void map_clear(struct var *map)
{
    if (!var_is(map, VAR_MAP))
        return;
    grace_lock(map->grace);
    struct garbage *order = order_changes(map);
    struct map_table *t = atomic_exchange(&map->map.table, NULL);
    map->map.live = map->map.used = 0;
    if (t)
        t->owns_entries = true;
    grace_unlock(map->grace);
    grace_retire(map->grace, order);
    grace_retire(map->grace, t ? &t->garbage : NULL);
}

static int by_key(const void *a, const void *b)
{
    const struct map_entry *x = *(struct map_entry *const *)a, *y = *(struct map_entry *const *)b;
    int order = memcmp(x->key, y->key, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* All live entries into o, which has room for that many. Under the lock. False: there are more. */
static bool fill(struct var *map, struct map_order *o, size_t room)
{
    struct map_table *t = atomic_load(&map->map.table);
    o->n = 0;
    for (size_t i = 0; t && i < t->slots; i++) {
        struct map_entry *e = atomic_load_explicit(&t->at[i], memory_order_relaxed);
        if (!e || e == REMOVED)
            continue;
        if (o->n == room)
            return false;
        o->at[o->n++] = e;
    }
    return true;
}

static struct map_order *gather(struct var *map, uint64_t *generation)
{
    for (size_t room = MIN_SLOTS;; room *= 2) {
        struct map_order *o = malloc(sizeof *o + room * sizeof o->at[0]);
        if (!o)
            return NULL;
        o->garbage.free = free_order;
        grace_lock(map->grace);
        size_t live = map->map.live;
        bool all = fill(map, o, room);
        *generation = map->map.generation;
        grace_unlock(map->grace);
        if (all)
            return o;
        free(o);
        while (room < live)
            room *= 2;
    }
}

const struct map_order *map_sorted(struct var *map, struct map_order **own)
{
    uint64_t generation;
    *own = NULL;
    struct map_order *o = atomic_load(&map->map.order);
    if (o || !(o = gather(map, &generation)))
        return o;
    qsort(o->at, o->n, sizeof o->at[0], by_key);
    grace_lock(map->grace);
    bool kept = map->map.generation == generation && !atomic_load(&map->map.order);
    if (kept)
        atomic_store(&map->map.order, o);
    grace_unlock(map->grace);
    if (!kept)
        *own = o;
    return o;
}

void map_order_free(struct map_order *own)
{
    free(own);
}

void map_let_go(struct var *map, void (*take)(void *arg, struct var *value), void *arg)
{
    struct map_table *t = atomic_load(&map->map.table);
    for (size_t i = 0; t && i < t->slots; i++) {
        struct map_entry *e = atomic_load_explicit(&t->at[i], memory_order_relaxed);
        if (!e || e == REMOVED)
            continue;
        struct var *value = e->value;
        e->value = NULL;
        take(arg, value);
    }
}

void map_fini(struct var *map)
{
    struct map_table *t = atomic_load(&map->map.table);
    free(atomic_load(&map->map.order));
    if (t) {
        t->owns_entries = true;
        free_table(&t->garbage);
    }
}
