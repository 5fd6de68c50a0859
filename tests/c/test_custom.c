/* A program's own profiles: Go's rules for names and values, stacks, and many threads at once. */
#include "base/any/here.h"
#include "base/lock.h"
#include "base/thread.h"
#include "check.h"
#include "encode/named.h"
#include "sampler/custom.h"
#include "sampler/keeper.h"
#include "sig/rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __asm__ volatile("" ::: "memory")

static enum status add(struct custom *c, uintptr_t value, int skip, struct reason *why)
{
    struct here here = {0};
    HERE_NOW(&here);
    return custom_add(c, (void *)value, skip, &here, why);
}

static struct custom *make(const char *name)
{
    struct custom *c = NULL;
    struct reason why = {0};
    CHECK_INT(custom_new(name, &c, &why), STATUS_OK);
    return c;
}

static void names_are_checked_as_in_go(void)
{
    struct custom *c = NULL;
    struct reason why = {0};
    CHECK_INT(custom_new("", &c, &why), STATUS_INVALID);
    CHECK_STR(why.text, "pprof: NewProfile with empty name");
    CHECK(!c);
    make("once");
    CHECK_INT(custom_new("once", &c, &why), STATUS_INVALID);
    CHECK_STR(why.text, "pprof: NewProfile name already in use: once");
    CHECK(!c);
    CHECK(custom_find("once", 4) && !custom_find("onc", 3) && !custom_find("once!", 5));
}

/* The index shows them among the built-in ones, each once. */
static void they_are_listed_in_order(void)
{
    make("zz"), make("A"), make("heap2"), make("\xff");
    char before[64] = "";
    struct named p;
    size_t n = 0, own = 0;
    for (; named_at(n, &p); n++) {
        CHECK(strcmp(before, p.name) < 0);
        snprintf(before, sizeof before, "%s", p.name);
        own += p.custom != NULL;
        CHECK(p.description && (p.custom == NULL) == p.has_delta);
    }
    CHECK(own >= 4 && n - own >= 6);
    CHECK_STR(before, "\xff");
}

static void a_value_is_in_or_not(void)
{
    struct reason why = {0};
    struct custom *c = make("values");
    CHECK_INT(add(c, 1, 1, &why), STATUS_OK);
    CHECK_INT(add(c, 0, 1, &why), STATUS_OK); /* NULL is a value like any other */
    CHECK_INT(add(c, 1, 1, &why), STATUS_INVALID);
    CHECK_STR(why.text, "pprof: Profile.Add of duplicate value");
    CHECK_INT(custom_count(c), 2);
    custom_remove(c, (void *)7);
    CHECK_INT(custom_count(c), 2);
    custom_remove(c, (void *)1);
    custom_remove(c, (void *)1);
    CHECK_INT(custom_count(c), 1);
    CHECK_INT(add(c, 1, 1, &why), STATUS_OK);
}

/* Open addressing goes wrong where runs of places meet and shrink: every state is compared with a plain table. */
static void many_values_come_and_go(void)
{
    enum { VALUES = 5000, STEPS = 60000 };
    static bool in[VALUES];
    struct custom *c = make("many");
    size_t n = 0, wrong = 0;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < STEPS; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t v = random % VALUES;
        uintptr_t value = v % 3 ? v << 4 : v << 40;
        if (random >> 33 & 1) {
            wrong += add(c, value, 1, NULL) != (in[v] ? STATUS_INVALID : STATUS_OK);
            n += !in[v];
            in[v] = true;
        } else {
            custom_remove(c, (void *)value);
            n -= in[v];
            in[v] = false;
        }
        wrong += custom_count(c) != n;
    }
    CHECK_INT(wrong, 0);
    for (size_t v = 0; v < VALUES; v++) {
        wrong += add(c, v % 3 ? v << 4 : v << 40, 1, NULL) != (in[v] ? STATUS_INVALID : STATUS_OK);
        custom_remove(c, (void *)(v % 3 ? v << 4 : v << 40));
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(custom_count(c), 0);
}

struct seen {
    size_t stacks;
    int64_t values;
    struct custom_stack last;
    uint64_t pc[CUSTOM_MAX_FRAMES];
};

static enum status see(void *arg, const struct custom_stack *s)
{
    struct seen *seen = arg;
    CHECK(!seen->stacks || seen->last.values >= s->values);
    CHECK(s->depth <= CUSTOM_MAX_FRAMES);
    seen->stacks++;
    seen->values += s->values;
    seen->last = *s;
    memcpy(seen->pc, s->pc, s->depth * sizeof *s->pc);
    return STATUS_OK;
}

static struct seen look_at(struct custom *c)
{
    struct seen seen = {0};
    CHECK_INT(custom_each(c, see, &seen), STATUS_OK);
    return seen;
}

__attribute__((noinline)) static void deeper(struct custom *c, int levels, int skip)
{
    if (levels)
        deeper(c, levels - 1, skip);
    else
        add(c, 1, skip, NULL);
    KEEP;
}

static struct seen stack_of(const char *name, int levels, int skip)
{
    struct custom *c = make(name);
    deeper(c, levels, skip);
    return look_at(c);
}

static void stacks_are_cut_and_skipped(void)
{
    struct seen all = stack_of("skip 0", 3, 0), one = stack_of("skip 1", 3, 1), two = stack_of("skip 2", 3, 2);
    CHECK(!all.last.flags && !one.last.flags && !two.last.flags);
    CHECK_INT(all.last.depth, one.last.depth + 1);
    CHECK_INT(all.last.depth, two.last.depth + 2);
    CHECK_INT(all.pc[1], one.pc[0] + 1); /* a leaf is a call, not where it returns to */
    CHECK_INT(all.pc[2], one.pc[1]);
    CHECK_INT(all.pc[2], two.pc[0] + 1);
    CHECK_INT(stack_of("negative", 3, -5).last.depth, all.last.depth);

    struct seen deep = stack_of("deep", 60, 0);
    CHECK_INT(deep.last.depth, CUSTOM_MAX_FRAMES);
    CHECK_INT(deep.last.flags, CUSTOM_CUT);
    deep = stack_of("deep, most of it skipped", 60, 50);
    CHECK(deep.last.depth > 10 && deep.last.depth < CUSTOM_MAX_FRAMES && !deep.last.flags);

    struct seen none = stack_of("beyond", 3, 100);
    CHECK(!none.last.depth && none.last.flags == CUSTOM_BEYOND);
    none = stack_of("far beyond", 3, 2147483647);
    CHECK(!none.last.depth && none.last.flags == CUSTOM_BEYOND);
}

static void equal_stacks_are_one(void)
{
    struct custom *c = make("equal");
    for (uintptr_t i = 0; i < 10; i++)
        add(c, i, 1, NULL);
    struct seen seen = look_at(c);
    CHECK(seen.stacks == 1 && seen.values == 10);
    for (uintptr_t i = 0; i < 10; i++)
        custom_remove(c, (void *)i);
    CHECK_INT(look_at(c).stacks, 0);
}

/* Code without rows and registers that lead nowhere must cost frames, not the process. */
static void odd_registers_are_survived(void)
{
    struct custom *c = make("odd");
    struct here here = {0};
    HERE_NOW(&here);
    const struct here odd[] = {{here.pc, here.sp + 1, here.fp, here.lr},
                               {0, here.sp, 0, 0},
                               {UINT64_MAX, here.sp, UINT64_MAX, UINT64_MAX},
                               {here.pc + 1, here.sp, UINT64_MAX & ~7, 8},
                               {8, here.sp, here.sp + 8, 0}};
    for (uintptr_t i = 0; i < sizeof odd / sizeof *odd; i++)
        CHECK_INT(custom_add(c, (void *)i, 0, &odd[i], NULL), STATUS_OK);
    CHECK_INT(custom_count(c), sizeof odd / sizeof *odd);
}

#define THREADS 4
#define ROUNDS  3000

static _Atomic int adders;

static void *come_and_go(void *arg)
{
    struct custom *c = custom_find("busy", 4);
    uintptr_t mine = (uintptr_t)arg << 32;
    int wrong = 0;
    for (uintptr_t i = 0; i < ROUNDS; i++) {
        wrong += add(c, mine | i, 1, NULL) != STATUS_OK;
        wrong += add(c, mine | i, 1, NULL) != STATUS_INVALID;
        if (i % 3)
            custom_remove(c, (void *)(mine | i));
    }
    atomic_fetch_sub(&adders, 1);
    return (void *)(intptr_t)wrong;
}

static void threads_add_while_one_looks(void)
{
    struct custom *c = make("busy");
    pthread_t threads[THREADS];
    atomic_store(&adders, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1));
    while (atomic_load(&adders))
        CHECK(look_at(c).values <= THREADS * ROUNDS);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_INT((intptr_t)wrong, 0);
    }
    CHECK_INT(custom_count(c), THREADS * ROUNDS / 3);
    CHECK_INT(look_at(c).values, THREADS * ROUNDS / 3);
}

/* A child that finds a lock held by a thread that it does not have hangs. */
static void a_child_goes_on(void)
{
    struct custom *c = make("forked");
    pthread_t thread;
    make("busy in the parent");
    atomic_store(&adders, 1);
    add(c, 1, 1, NULL);
    pthread_create(&thread, NULL, come_and_go, (void *)99);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (!child) {
            alarm(60);
            bool right = custom_count(c) == 1 && add(c, 1, 1, NULL) == STATUS_INVALID &&
                         add(c, 2, 1, NULL) == STATUS_OK && custom_count(c) == 2;
            keeper_nudge();
            syscall(SYS_exit_group, right ? 0 : 1); /* ThreadSanitizer takes the thread of the parent for a leak */
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK_INT(status, 0);
    }
    pthread_join(thread, NULL);
    CHECK_INT(custom_count(c), 1);
}

/* After seccomp any system call may be the end. */
static void quiet_means_nothing_at_all(void)
{
    struct reason why = {0};
    struct custom *c = make("quiet");
    add(c, 1, 1, NULL);
    thread_forbid();
    CHECK_INT(add(c, 2, 1, &why), STATUS_UNSUPPORTED);
    CHECK(strstr(why.text, "seccomp"));
    custom_remove(c, (void *)1);
    CHECK_INT(custom_count(c), 1);
}

/* A stack of a number's bits, which no other number has. */
static __attribute__((noinline)) void add_by(struct custom *c, uintptr_t value, unsigned bits, int depth);

static __attribute__((noinline)) void add_by_one(struct custom *c, uintptr_t value, unsigned bits, int depth)
{
    add_by(c, value, bits, depth);
    KEEP;
}

static __attribute__((noinline)) void add_by(struct custom *c, uintptr_t value, unsigned bits, int depth)
{
    if (!depth)
        CHECK_INT(add(c, value, 0, NULL), STATUS_OK);
    else if (bits & 1)
        add_by_one(c, value, bits >> 1, depth - 1);
    else
        add_by(c, value, bits >> 1, depth - 1);
    KEEP;
}

static enum status sum_stacks(void *sums, const struct custom_stack *s)
{
    ((uint64_t *)sums)[0]++;
    ((uint64_t *)sums)[1] += (uint64_t)s->values;
    return STATUS_OK;
}

/* A table of stacks that only grew held a quarter of a gigabyte, and then took no more. */
static void stacks_that_hold_nothing_are_forgotten(void)
{
    enum { BITS = 14, KEPT = 100 };
    struct custom *c = make("forgotten");
    uint64_t sums[2] = {0};
    for (unsigned i = 0; i < 1u << BITS; i++) {
        add_by(c, i + 1, i, BITS);
        if (i >= KEPT)
            custom_remove(c, (void *)(uintptr_t)(i + 1));
    }
    CHECK(custom_stacks(c) < (1u << BITS) / 2);
    CHECK_INT(custom_each(c, sum_stacks, sums), STATUS_OK);
    CHECK_INT(sums[0], KEPT);
    CHECK_INT(sums[1], KEPT);
    for (unsigned i = 0; i < KEPT; i++)
        custom_remove(c, (void *)(uintptr_t)(i + 1));
    CHECK_INT(custom_count(c), 0);
}

int main(void)
{
    names_are_checked_as_in_go();
    they_are_listed_in_order();
    a_value_is_in_or_not();
    many_values_come_and_go();
    stacks_that_hold_nothing_are_forgotten();
    stacks_are_cut_and_skipped();
    equal_stacks_are_one();
    odd_registers_are_survived();
    threads_add_while_one_looks();
    a_child_goes_on();
    quiet_means_nothing_at_all();
    return check_done();
}
