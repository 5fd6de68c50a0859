#include "sampler/custom.h"

#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/lock.h"
#include "base/slab.h"
#include "base/stacktab.h"
#include "base/thread.h"
#include "sampler/keeper.h"
#include "sig/cwalk.h"
#include "sig/rows.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_VALUES 256 /* places, a power of two; 4 KiB */
#define MIN_DEAD     4096

/* Of the program's: whatever it is, we only compare it. */
struct value {
    uintptr_t value;
    struct stack *stack; /* NULL: the place is free */
};

struct custom {
    _Atomic(struct custom *) next; /* by name */
    const char *name;
    _Atomic uint64_t n;

    /* under custom_lock */
    struct value *at; /* by hash, in the next free place; a quarter is free */
    size_t places;
    struct stacktab stacks; /* weight[0]: values; [1]: see drop_dead */
    size_t dead;            /* stacks without a value */
};

/* Where a value was added. */
struct place {
    struct record record;
    const uint64_t *pc;
    uint32_t depth, flags;
    bool in_known_code; /* where the walk ended */
};

static struct lock custom_lock = LOCK_INIT(LOCK_LEAF);
static _Atomic(struct custom *) first;
static struct slab profiles;
static bool changing; /* a child of _Fork() may find it set: then the tables may be half-written */

static uint64_t hold_signals(void)
{
    return mask_change(SIG_BLOCK, MASK_ALL & ~MASK_OF(SIGPROF));
}

static void let_signals(uint64_t before)
{
    mask_change(SIG_SETMASK, before);
}

static void begin(void)
{
    lock_take(&custom_lock);
    changing = true;
}

static void end(void)
{
    changing = false;
    lock_drop(&custom_lock);
}

/* --- fork --------------------------------------------------------------------------------------------------------- */

static void after_fork_child(void)
{
    lock_reset_after_fork(&custom_lock);
    for (struct custom *c = changing ? atomic_load(&first) : NULL; c; c = atomic_load(&c->next)) {
        c->at = NULL;
        c->places = c->dead = 0;
        atomic_store(&c->n, 0);
        stacktab_init(&c->stacks);
    }
    changing = false;
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_LEAF,
    .lock = &custom_lock,
    .after_child = after_fork_child,
};

/* --- profiles ----------------------------------------------------------------------------------------------------- */

struct custom *custom_next(const struct custom *c)
{
    return atomic_load_explicit(c ? &c->next : &first, memory_order_acquire);
}

struct custom *custom_find(const char *name, size_t n)
{
    for (struct custom *c = custom_next(NULL); c; c = custom_next(c))
        if (strlen(c->name) == n && memcmp(c->name, name, n) == 0)
            return c;
    return NULL;
}

const char *custom_name(const struct custom *c)
{
    return c->name;
}

uint64_t custom_count(const struct custom *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

size_t custom_stacks(struct custom *c)
{
    uint64_t before = hold_signals();
    lock_take(&custom_lock);
    size_t n = c->stacks.n;
    lock_drop(&custom_lock);
    let_signals(before);
    return n;
}

static struct custom *make(const char *name)
{
    size_t n = strlen(name) + 1;
    struct custom *c = slab_get(&profiles, sizeof *c);
    char *text = slab_get(&profiles, n);
    if (!c || !text || stacktab_init(&c->stacks) != STATUS_OK)
        return NULL;
    memcpy(text, name, n);
    c->name = text;
    return c;
}

static void insert(struct custom *c)
{
    _Atomic(struct custom *) *at = &first;
    struct custom *next;
    while ((next = atomic_load(at)) && strcmp(next->name, c->name) < 0)
        at = &next->next;
    atomic_store(&c->next, next);
    atomic_store_explicit(at, c, memory_order_release);
}

enum status custom_new(const char *name, struct custom **out, struct reason *why)
{
    if (!*name)
        return status_because(why, STATUS_INVALID, "pprof: NewProfile with empty name");
    atfork_register(&fork_hooks);
    keeper_start();
    uint64_t before = hold_signals();
    begin();
    bool taken = custom_find(name, strlen(name)) != NULL;
    struct custom *c = taken ? NULL : make(name);
    if (c)
        insert(c);
    end();
    let_signals(before);
    if (taken)
        return status_because(why, STATUS_INVALID, "pprof: NewProfile name already in use: %s", name);
    *out = c;
    return c ? STATUS_OK : STATUS_NOMEM;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Of a pointer the lowest bits say nothing: the product carries what does to the top, and the top is used. */
static size_t home_of(const struct custom *c, uintptr_t value)
{
    uint64_t h = (uint64_t)value * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)((h ^ h >> 32) & (c->places - 1));
}

/* The value's place, or the free one that it would have. */
static struct value *find(const struct custom *c, uintptr_t value)
{
    size_t i = home_of(c, value);
    while (c->at[i].stack && c->at[i].value != value)
        i = (i + 1) & (c->places - 1);
    return &c->at[i];
}

static bool make_room(struct custom *c)
{
    if (c->places && (custom_count(c) + 1) * 4 <= c->places * 3)
        return true;
    struct custom wider = {.places = c->places ? c->places * 2 : FIRST_VALUES};
    wider.at = slab_pages(wider.places * sizeof *wider.at);
    if (!wider.at)
        return c->places && custom_count(c) + 1 < c->places; /* slower, as long as one place is free */
    for (size_t i = 0; i < c->places; i++)
        if (c->at[i].stack)
            *find(&wider, c->at[i].value) = c->at[i];
    slab_pages_free(c->at, c->places * sizeof *c->at);
    c->at = wider.at;
    c->places = wider.places;
    return true;
}

/* Where a living stack has gone stands in its second weight. */
static enum status move_living(void *fresh, const struct stack *s)
{
    const int64_t weight[STACKTAB_WEIGHTS] = {s->weight[0]};
    if (s->weight[0] <= 0)
        return STATUS_OK;
    struct stack *moved = stacktab_add(fresh, &s->key, s->pc, s->depth, weight);
    ((struct stack *)(uintptr_t)s)->weight[1] = (int64_t)(uintptr_t)moved;
    return moved ? STATUS_OK : STATUS_NOMEM;
}

/* A program whose stacks never come again would fill the table with those that hold nothing. Not before there are so
 * many that looking at all values is little for each. */
static void drop_dead(struct custom *c)
{
    struct stacktab fresh;
    if (c->dead < MIN_DEAD || c->dead < c->stacks.n / 2 || c->dead < custom_count(c) / 4 ||
        stacktab_init(&fresh) != STATUS_OK)
        return;
    if (stacktab_each(&c->stacks, move_living, &fresh) != STATUS_OK) {
        stacktab_fini(&fresh);
        return;
    }
    for (size_t i = 0; i < c->places; i++)
        if (c->at[i].stack)
            c->at[i].stack = (struct stack *)(uintptr_t)c->at[i].stack->weight[1];
    stacktab_fini(&c->stacks);
    c->stacks = fresh;
    c->dead = 0;
}

static enum status put(struct custom *c, uintptr_t value, const struct place *p)
{
    static const int64_t one[STACKTAB_WEIGHTS] = {1};
    const struct stack_key key = {.flags = p->flags};
    if (c->places && find(c, value)->stack)
        return STATUS_INVALID;
    if (!c->stacks.buckets || !make_room(c))
        return STATUS_NOMEM;
    drop_dead(c);
    size_t known = c->stacks.n;
    struct stack *stack = stacktab_add(&c->stacks, &key, p->pc, p->depth, one);
    if (!stack)
        return STATUS_NOMEM;
    c->dead -= c->stacks.n == known && stack->weight[0] == 1;
    *find(c, value) = (struct value){value, stack};
    atomic_fetch_add_explicit(&c->n, 1, memory_order_relaxed);
    return STATUS_OK;
}

/* What stands behind a freed place may have been pushed there by what was in it. */
static void close_gap(struct custom *c, size_t gap)
{
    size_t mask = c->places - 1;
    for (size_t i = (gap + 1) & mask; c->at[i].stack; i = (i + 1) & mask) {
        size_t home = home_of(c, c->at[i].value);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        c->at[gap] = c->at[i];
        gap = i;
    }
    c->at[gap] = (struct value){0};
}

void custom_remove(struct custom *c, const void *value)
{
    if (thread_is_forbidden())
        return;
    uint64_t before = hold_signals();
    begin();
    struct value *v = c->places ? find(c, (uintptr_t)value) : NULL;
    if (v && v->stack) {
        c->dead += --v->stack->weight[0] == 0;
        close_gap(c, (size_t)(v - c->at));
        atomic_fetch_sub_explicit(&c->n, 1, memory_order_relaxed);
    }
    end();
    let_signals(before);
}

/* --- stacks ------------------------------------------------------------------------------------------------------- */

static uint16_t frames_wanted(int skip)
{
    return skip > RECORD_MAX_FRAMES - CUSTOM_MAX_FRAMES ? RECORD_MAX_FRAMES : (uint16_t)(skip + CUSTOM_MAX_FRAMES);
}

static bool ended_in_known_code(const struct record *r)
{
    const struct rows_map *map = rows_current();
    return map && rows_module_of(map, r->pc[r->depth - 1] - (r->depth > 1));
}

static void walk(const struct here *from, int skip, struct place *p)
{
    struct record *r = &p->record;
    const struct regs regs = {.pc = from->pc, .sp = from->sp, .fp = from->fp, .lr = from->lr};
    r->flags = 0;
    rows_enter();
    cwalk_own(regs, frames_wanted(skip), r);
    p->in_known_code = !(r->flags & RECORD_PARTIAL) || ended_in_known_code(r);
    rows_leave();
}

/* The leaf of what is left is a call, too: of those before it is known where they return to. */
static void leave_out(int skip, struct place *p)
{
    struct record *r = &p->record;
    uint32_t first_kept = (uint32_t)skip < r->depth ? (uint32_t)skip : r->depth, left = r->depth - first_kept;
    p->pc = r->pc + first_kept;
    p->depth = left < CUSTOM_MAX_FRAMES ? left : CUSTOM_MAX_FRAMES;
    p->flags = r->flags || left > CUSTOM_MAX_FRAMES ? CUSTOM_CUT : left ? 0 : CUSTOM_BEYOND;
    if (left && first_kept)
        r->pc[first_kept]--;
}

enum status custom_add(struct custom *c, const void *value, int skip, const struct here *from, struct reason *why)
{
    if (thread_is_forbidden())
        return status_because(why, STATUS_UNSUPPORTED, "the program has restricted its system calls (seccomp)");
    struct place p;
    skip = skip > 0 ? skip : 0;
    keeper_wait();
    uint64_t before = hold_signals();
    walk(from, skip, &p);
    leave_out(skip, &p);
    begin();
    enum status status = put(c, (uintptr_t)value, &p);
    end();
    let_signals(before);
    if (!p.in_known_code)
        keeper_nudge();
    return status == STATUS_INVALID ? status_because(why, status, "pprof: Profile.Add of duplicate value") : status;
}

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

struct copy {
    struct custom_stack *at;
    uint64_t *pc;
    size_t n, n_pc;
};

static enum status copy_stack(void *arg, const struct stack *s)
{
    struct copy *copy = arg;
    if (s->weight[0] <= 0)
        return STATUS_OK;
    uint64_t *pc = copy->pc + copy->n_pc;
    memcpy(pc, s->pc, s->depth * sizeof *pc);
    copy->at[copy->n++] = (struct custom_stack){s->weight[0], s->key.flags, s->depth, pc};
    copy->n_pc += s->depth;
    return STATUS_OK;
}

static int by_values(const void *a, const void *b)
{
    const struct custom_stack *x = a, *y = b;
    if (x->values != y->values)
        return x->values < y->values ? 1 : -1;
    for (uint32_t i = 0; i < x->depth && i < y->depth; i++)
        if (x->pc[i] != y->pc[i])
            return x->pc[i] < y->pc[i] ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return (x->flags > y->flags) - (x->flags < y->flags);
}

/* Room for so many stacks; as many bytes as the table itself has are enough for their addresses. */
static size_t bytes_for(size_t stacks, size_t bytes)
{
    return stacks * sizeof(struct custom_stack) + bytes + 1;
}

/* False: there is no room for so much, want says for how much. */
static bool try_copy(struct custom *c, void *room, size_t have, size_t *want, struct copy *out)
{
    uint64_t before = hold_signals();
    begin();
    *want = bytes_for(c->stacks.n, c->stacks.bytes);
    bool fits = room && *want <= have;
    if (fits) {
        *out = (struct copy){.at = room, .pc = (uint64_t *)((struct custom_stack *)room + c->stacks.n)};
        if (c->stacks.buckets)
            stacktab_each(&c->stacks, copy_stack, out);
    }
    end();
    let_signals(before);
    return fits;
}

static enum status tell(struct copy *copy, enum status (*fn)(void *arg, const struct custom_stack *s), void *arg)
{
    enum status status = STATUS_OK;
    qsort(copy->at, copy->n, sizeof *copy->at, by_values);
    for (size_t i = 0; i < copy->n && !status; i++)
        status = fn(arg, &copy->at[i]);
    return status;
}

enum status custom_each(struct custom *c, enum status (*fn)(void *arg, const struct custom_stack *s), void *arg)
{
    struct copy copy;
    size_t want = 0, have = 0;
    void *room = NULL;
    while (!try_copy(c, room, have, &want, &copy)) {
        slab_pages_free(room, have);
        have = want + want / 4; /* more may come meanwhile */
        room = slab_pages(have);
        if (!room)
            return STATUS_NOMEM;
    }
    enum status status = tell(&copy, fn, arg);
    slab_pages_free(room, have);
    return status;
}
