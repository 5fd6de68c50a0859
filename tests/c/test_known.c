/* What is kept between sessions: within its bound, whoever asks at once, and across fork. */
#include "symbol/known.h"

#include "base/slab.h"
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct known_answer found;

static struct known_id id_of(unsigned n)
{
    struct known_id id = {.len = sizeof n};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

static struct known *hold(unsigned n)
{
    struct known_id id = id_of(n);
    struct known *k = known_hold(&id);
    CHECK(k != NULL);
    return k;
}

static void add(struct known *k, uint64_t offset, const char *name)
{
    struct known_answer a = {.entry = offset & ~(uint64_t)15, .n = 2};
    a.frames[0] = (struct named_frame){name, name, "/src/a.c", 7, 3};
    a.frames[1] = (struct named_frame){"outer(int)", "_Z5outeri", "/src/a.c", 9, 8};
    known_add(k, offset, &a);
}

static void what_was_added_is_found(void)
{
    struct known *k = hold(1);
    CHECK(!known_find(k, 100, &found));
    char name[] = "inner";
    add(k, 100, name);
    memset(name, 'x', 5); /* it has a copy */
    known_release(k);
    CHECK(known_bytes() > 0);
    k = hold(1);
    struct known *other = hold(2);
    CHECK(other != k && !known_find(other, 100, &found));
    CHECK(known_find(k, 100, &found));
    CHECK_INT(found.n, 2);
    CHECK_INT(found.entry, 96);
    CHECK_STR(found.frames[0].name, "inner");
    CHECK_INT(found.frames[0].line, 7);
    CHECK_INT(found.frames[0].start_line, 3);
    CHECK_STR(found.frames[1].system_name, "_Z5outeri");
    CHECK(!known_find(k, 101, &found));
    struct known_answer nobody = {.entry = UINT64_MAX};
    known_add(k, 102, &nobody);
    CHECK(known_find(k, 102, &found) && found.n == 0 && found.entry == UINT64_MAX);
    known_release(k);
    known_release(other);
    known_release(NULL);
    known_forget();
    CHECK_INT(known_bytes(), 0);
    CHECK_INT(slab_held_bytes(), 0);
}

static char *long_name(unsigned n)
{
    static char name[1100];
    memset(name, 'n', 1000);
    snprintf(name + 1000, 100, "%u", n);
    return name;
}

/* Hundreds of modules with more than there is room for: the oldest goes, what is held does not. */
static void what_is_oldest_goes_first(void)
{
    struct known *held = hold(1000);
    add(held, 5, "held");
    for (unsigned m = 0; m < 200; m++) {
        struct known *k = hold(m);
        for (unsigned i = 0; i < 1000; i++)
            add(k, i * 16, long_name(m * 1000 + i));
        CHECK(known_find(k, 0, &found));
        known_release(k);
        CHECK(known_bytes() <= KNOWN_MAX_BYTES);
        CHECK(slab_held_bytes() <= KNOWN_MAX_BYTES + 4096 * 1000);
    }
    CHECK(known_bytes() > KNOWN_MAX_BYTES / 2);
    CHECK(known_find(held, 5, &found));
    CHECK_STR(found.frames[0].name, "held");
    known_release(held);
    struct known *last = hold(199), *gone = hold(0);
    CHECK(known_find(last, 0, &found));
    CHECK(!known_find(gone, 0, &found));
    known_release(last);
    known_release(gone);
    known_forget();
    CHECK_INT(known_bytes(), 0);
}

/* One module that would take it all: nothing is refused for ever, since it goes when nobody holds it any more. */
static void one_that_is_too_big(void)
{
    struct known *k = hold(1);
    for (unsigned i = 0; i < 80000; i++)
        add(k, i, long_name(i));
    CHECK(known_bytes() <= KNOWN_MAX_BYTES && known_bytes() > KNOWN_MAX_BYTES / 2);
    CHECK(known_find(k, 0, &found));
    CHECK(!known_find(k, 79999, &found));
    struct known *again = hold(1);
    CHECK(again == k);
    known_release(k);
    CHECK(known_find(again, 0, &found));
    known_release(again);
    CHECK_INT(known_bytes(), 0);
    k = hold(1);
    add(k, 79999, "now");
    CHECK(known_find(k, 79999, &found));
    known_release(k);
    known_forget();
}

static _Atomic bool stop;
static _Atomic int wrong;

static void *use(void *arg)
{
    (void)arg;
    unsigned random = (unsigned)(uintptr_t)&random;
    char name[32], want[32];
    struct known_answer mine;
    while (!atomic_load(&stop)) {
        random = random * 1103515245 + 12345;
        unsigned module = random >> 20 & 3, offset = random >> 8 & 1023;
        struct known_id id = id_of(module);
        struct known *k = known_hold(&id);
        snprintf(want, sizeof want, "m%u+%u", module, offset);
        if (known_find(k, offset, &mine) && strcmp(mine.frames[0].name, want) != 0)
            atomic_fetch_add(&wrong, 1);
        snprintf(name, sizeof name, "m%u+%u", module, offset);
        add(k, offset, name);
        known_release(k);
        if ((random & 0xfff000) == 0)
            known_forget();
    }
    return NULL;
}

static void in_child(void)
{
    struct known *k = hold(1);
    add(k, 5000, "child");
    bool ok = known_find(k, 5000, &found) && strcmp(found.frames[0].name, "child") == 0;
    known_release(k);
    known_forget();
    _exit(ok && known_bytes() == 0 ? 0 : 1);
}

/* Sessions of several threads, and children that fork while they are at it. */
static void many_at_once(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use, NULL);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0)
            in_child();
        int status = -1;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    known_forget();
    CHECK_INT(known_bytes(), 0);
    CHECK_INT(wrong, 0);
}

int main(void)
{
    what_was_added_is_found();
    what_is_oldest_goes_first();
    one_that_is_too_big();
    many_at_once();
    return check_done();
}
