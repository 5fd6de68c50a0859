/* Sets of labels: scopes, bounds, many threads at once, a fork; and what a handler reads of them. */
#include "base/labels.h"
#include "check.h"
#include "sampler/threads.h"
#include "sig/labelread.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PUSH(...) labels_push((const char *const[]){__VA_ARGS__, NULL})

/* "key=value key=value", newest first. */
static const char *shown(uint32_t set)
{
    static _Thread_local char text[LABELS_MAX_DEPTH * 64];
    struct label labels[LABELS_MAX_DEPTH];
    size_t n = labels_list(set, labels), used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.40s=%.40s", i ? " " : "", labels[i].key,
                                 labels[i].value);
    return text;
}

static const char *now(void)
{
    return shown(label_set_now());
}

static void pops_bring_back_what_was_before(void)
{
    CHECK_STR(now(), "");
    CHECK_INT(PUSH("a", "1"), STATUS_OK);
    uint32_t first = label_set_now();
    CHECK_INT(PUSH("b", "2", "c", "", "d", "4"), STATUS_OK);
    CHECK_STR(now(), "d=4 c= b=2 a=1");
    CHECK_INT(PUSH("a", "inner"), STATUS_OK);
    CHECK_STR(now(), "a=inner d=4 c= b=2");
    labels_pop();
    CHECK_STR(now(), "d=4 c= b=2 a=1");
    labels_pop(); /* three at once */
    CHECK_INT(label_set_now(), first);
    CHECK_INT(labels_push((const char *const[]){NULL}), STATUS_OK);
    CHECK_STR(now(), "a=1");
    labels_pop();
    labels_pop();
    CHECK_INT(label_set_now(), 0);
    labels_pop(); /* one too many */
    CHECK_INT(label_set_now(), 0);
}

static void what_was_seen_before_makes_no_new_set(void)
{
    PUSH("a", "1");
    PUSH("x", "y", "z", "w");
    uint32_t before = labels_stats().sets, set = label_set_now();
    labels_pop();
    for (int i = 0; i < 1000; i++) {
        PUSH("x", "y", "z", "w");
        CHECK_INT(label_set_now(), set);
        labels_pop();
    }
    /* The same two, one by one: other scopes, the same labels. */
    PUSH("x", "y");
    PUSH("z", "w");
    CHECK(label_set_now() != set);
    CHECK_STR(now(), shown(set));
    CHECK(labels_stats().sets <= before + 1);
    labels_pop();
    CHECK_STR(now(), "x=y a=1");
    labels_pop();
    labels_pop();
}

/* Each changes nothing, and is popped like the others. */
static void what_is_refused_is_popped_too(void)
{
    char key[LABELS_MAX_KEY + 2] = {0}, value[LABELS_MAX_VALUE + 2] = {0};
    uint64_t before = labels_stats().refused;
    memset(key, 'k', sizeof key - 1);
    memset(value, 'v', sizeof value - 1);
    PUSH("a", "1");
    CHECK_INT(PUSH(""), STATUS_INVALID);
    CHECK_INT(PUSH("", "v"), STATUS_INVALID);
    CHECK_INT(labels_push((const char *const[]){"b", "1", "c", NULL, NULL}), STATUS_INVALID);
    CHECK_INT(PUSH(key, "v"), STATUS_TOO_BIG);
    CHECK_INT(PUSH("k", value), STATUS_TOO_BIG);
    CHECK_STR(now(), "a=1");
    CHECK_INT(PUSH("inside", "1"), STATUS_OK);
    CHECK_STR(now(), "inside=1 a=1");
    for (int i = 0; i < 6; i++) {
        CHECK(label_set_now() != 0);
        labels_pop();
    }
    CHECK_STR(now(), "a=1");
    CHECK_INT(labels_stats().refused, before + 5);
    key[LABELS_MAX_KEY] = value[LABELS_MAX_VALUE] = '\0';
    CHECK_INT(PUSH(key, value), STATUS_OK);
    labels_pop();
    labels_pop();
    CHECK_INT(label_set_now(), 0);
}

static void depth_is_bounded(void)
{
    char text[32];
    int refused = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "%d", i % 100);
        refused += PUSH(text, "v") != STATUS_OK;
    }
    CHECK_INT(refused, 10000 - LABELS_MAX_DEPTH);
    for (int i = 0; i < 10000; i++)
        labels_pop();
    CHECK_INT(label_set_now(), 0);
    CHECK_INT(PUSH("a", "1"), STATUS_OK);
    CHECK_STR(now(), "a=1");
    labels_pop();
}

static void numbers_that_are_no_sets_have_no_labels(void)
{
    struct label labels[LABELS_MAX_DEPTH];
    for (uint32_t i = 1; i < 4096; i++)
        CHECK(labels_list(i, labels) <= LABELS_MAX_DEPTH);
    CHECK_INT(labels_list(UINT32_MAX, labels), 0);
    CHECK_INT(labels_list(0, labels), 0);
}

/* Threads that make the same sets at once, and sets of their own. */
#define THREADS 8
#define VALUES  400

static pthread_barrier_t at_once;
static uint32_t found[THREADS][VALUES];

static void *push_all(void *arg)
{
    uint32_t *mine = arg;
    char value[32];
    pthread_barrier_wait(&at_once);
    for (int i = 0; i < VALUES; i++) {
        snprintf(value, sizeof value, "shared %d", i);
        PUSH("k", value);
        mine[i] = label_set_now();
        PUSH("t", value);
        labels_pop();
        labels_pop();
    }
    return NULL;
}

static void threads_find_each_others_sets(void)
{
    pthread_t threads[THREADS];
    uint32_t before = labels_stats().sets;
    pthread_barrier_init(&at_once, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, push_all, found[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS; i++)
        CHECK(memcmp(found[0], found[i], sizeof found[0]) == 0);
    CHECK_STR(shown(found[0][7]), "k=shared 7");
    CHECK(labels_stats().sets - before >= 2 * VALUES);
}

/* --- the word ----------------------------------------------------------------------------------------------------- */

static uint32_t set_of(pid_t tid)
{
    struct thread_views views;
    struct reason why;
    uint32_t set = 0;
    CHECK_INT(threads_view(&views, &why), STATUS_OK);
    for (size_t i = 0; i < views.n; i++)
        if (views.at[i].tid == (uint32_t)tid)
            set = views.at[i].labels;
    threads_fini(&views);
    return set;
}

static void a_handler_reads_its_own_threads_word_only(void)
{
    PUSH("a", "1");
    CHECK_INT(labelread(gettid()), label_set_now());
    CHECK_INT(labelread(gettid() + 1), 0);
    labels_pop();
    CHECK_INT(labelread(gettid()), 0);
}

static void *inherit(void *arg)
{
    labels_inherit(*(uint32_t *)arg);
    CHECK_STR(now(), "a=1");
    CHECK_INT(labelread(gettid()), label_set_now());
    CHECK_INT(set_of(gettid()), label_set_now());
    return NULL;
}

static void threads_are_seen_from_outside(void)
{
    pthread_t thread;
    PUSH("a", "1");
    uint32_t set = label_set_now();
    CHECK_INT(set_of(gettid()), set);
    pthread_create(&thread, NULL, inherit, &set);
    pthread_join(thread, NULL);
    labels_pop();
    CHECK_INT(set_of(gettid()), 0);
}

static void a_child_keeps_its_labels(void)
{
    PUSH("a", "1");
    pid_t child = fork();
    if (child == 0) {
        labels_know_thread();
        bool kept = strcmp(now(), "a=1") == 0 && labelread(gettid()) == label_set_now() &&
                    PUSH("b", "2") == STATUS_OK && strcmp(now(), "b=2 a=1") == 0 && set_of(gettid()) == label_set_now();
        _exit(kept ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    labels_pop();
}

/* Last: nothing new finds room after it. What was known before goes on. */
static void sets_are_bounded(void)
{
    char value[256];
    uint32_t n = 0;
    PUSH("known", "1");
    labels_pop();
    while (n < 2 * LABELS_MAX_SETS) {
        snprintf(value, sizeof value, "%u", n++);
        enum status status = PUSH("n", value);
        labels_pop();
        if (status)
            break;
    }
    CHECK(n < 2 * LABELS_MAX_SETS);
    CHECK_INT(label_set_now(), 0);
    CHECK(labels_stats().sets <= LABELS_MAX_SETS);
    CHECK(labels_stats().bytes <= LABELS_MAX_BYTES + (1 << 20));
    CHECK_INT(PUSH("new", "1"), STATUS_TOO_BIG);
    CHECK_INT(PUSH("known", "1"), STATUS_TOO_BIG); /* inside one that was refused */
    labels_pop();
    labels_pop();
    CHECK_INT(PUSH("known", "1"), STATUS_OK);
    CHECK_STR(now(), "known=1");
    labels_pop();
}

int main(void)
{
    labelread_prepare();
    labels_use(labels_settle(labels_own()));
    pops_bring_back_what_was_before();
    what_was_seen_before_makes_no_new_set();
    what_is_refused_is_popped_too();
    depth_is_bounded();
    numbers_that_are_no_sets_have_no_labels();
    threads_find_each_others_sets();
    a_handler_reads_its_own_threads_word_only();
    threads_are_seen_from_outside();
    a_child_keeps_its_labels();
    sets_are_bounded();
    return check_done();
}
