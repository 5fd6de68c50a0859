/* New threads begin with their maker's labels, and what they have to be told is given back, by whatever thread. */
#include "check.h"
#include "door/newthread.c"

#include <stdint.h>
#include <stdlib.h>

#define MAKERS 4
#define MADE   2000

#define PUSH(...) labels_push((const char *const[]){__VA_ARGS__, NULL})

static void *say_set(void *arg)
{
    return (void *)(uintptr_t)(label_set_now() == (uint32_t)(uintptr_t)arg);
}

__attribute__((unused)) static int say_set_c11(void *arg)
{
    return label_set_now() == (uint32_t)(uintptr_t)arg;
}

static bool begins_with(uint32_t set)
{
    pthread_t thread;
    void *same = NULL;
    if (pthread_create(&thread, NULL, say_set, (void *)(uintptr_t)set) == 0)
        pthread_join(thread, &same);
    return same != NULL;
}

/* Before anybody has labels nothing is set aside. */
static void without_labels_nothing_happens(void)
{
    CHECK(begins_with(0));
    CHECK(!atomic_load(&starts) && !atomic_load(&fresh));
}

static void one_begins_with_its_makers(void)
{
    PUSH("a", "1");
    CHECK(begins_with(label_set_now()));
#ifndef __SANITIZE_THREAD__ /* which knows nothing of threads made so */
    thrd_t c11;
    int same = 0;
    CHECK_INT(thrd_create(&c11, say_set_c11, (void *)(uintptr_t)label_set_now()), thrd_success);
    thrd_join(c11, &same);
    CHECK_INT(same, 1);
#endif
    labels_pop();
    CHECK(begins_with(0));
    CHECK_INT(atomic_load(&fresh), 1);
}

static void what_was_refused_is_given_back(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)1 << 46);
    PUSH("a", "1");
    for (int i = 0; i < 100; i++)
        CHECK(pthread_create(&thread, &attr, say_set, NULL) != 0);
    CHECK_INT(atomic_load(&fresh), 1);
    CHECK(begins_with(label_set_now()));
    labels_pop();
    pthread_attr_destroy(&attr);
}

static void *make(void *arg)
{
    char value[32];
    intptr_t wrong = 0;
    for (int i = 0; i < MADE; i++) {
        snprintf(value, sizeof value, "%d", (int)(intptr_t)arg * 10 + i % 10);
        PUSH("maker", value);
        wrong += !begins_with(label_set_now());
        labels_pop();
    }
    return (void *)wrong;
}

static void many_make_threads_at_once(void)
{
    pthread_t makers[MAKERS];
    void *wrong;
    for (intptr_t i = 0; i < MAKERS; i++)
        pthread_create(&makers[i], NULL, make, (void *)i);
    for (int i = 0; i < MAKERS; i++) {
        pthread_join(makers[i], &wrong);
        CHECK(!wrong);
    }
    CHECK(atomic_load(&fresh) <= MAKERS);
}

/* Where all are taken a thread begins without labels, and begins. */
static void more_than_there_is_room_for(void)
{
    PUSH("a", "1");
    while (take())
        ;
    CHECK_INT(atomic_load(&fresh), STARTS_MAX);
    CHECK(begins_with(0));
    give_back(&table()[5]);
    CHECK(begins_with(label_set_now()));
    CHECK(begins_with(label_set_now()));
    labels_pop();
}

int main(void)
{
    labels_use(labels_settle(labels_own()));
    without_labels_nothing_happens();
    one_begins_with_its_makers();
    what_was_refused_is_given_back();
    many_make_threads_at_once();
    more_than_there_is_room_for();
    return check_done();
}
