/* lock, buf, stacktab, thread and random: the ground everything stands on. */
#include "base/any/random.h"
#include "base/atfork.h"
#include "base/buf.h"
#include "base/lock.h"
#include "base/stacktab.h"
#include "base/thread.h"
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lock lock = LOCK_INIT(LOCK_LEAF);
static long guarded;

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50000; i++) {
        lock_take(&lock);
        guarded++;
        lock_drop(&lock);
    }
    return NULL;
}

static void the_lock_excludes(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_up, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(guarded, 200000);
}

static struct lock room_lock = LOCK_INIT(LOCK_SERVER);
static int child_calls;

static void after_child(void)
{
    lock_reset_after_fork(&room_lock);
    child_calls++;
}

/* A fork while another thread holds the lock must not leave it held in the child. */
static void locks_are_free_in_a_forks_child(void)
{
    static const struct atfork_hooks hooks = {.rank = LOCK_SERVER, .lock = &room_lock, .after_child = after_child};
    atfork_register(&hooks);
    atfork_register(&hooks);
    pid_t child = fork();
    if (child == 0) {
        lock_take(&room_lock);
        lock_drop(&room_lock);
        _exit(child_calls == 1 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    lock_take(&room_lock);
    lock_drop(&room_lock);
}

static _Atomic uint32_t thread_word;
static _Atomic int thread_facts;

static void our_thread(void *arg)
{
    (void)arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    int blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGPROF) && sigismember(&mask, SIGINT);
    atomic_store(&thread_facts, blocked && thread_is_ours(gettid()));
    atomic_store(&thread_word, 1);
    lock_wake_word(&thread_word);
}

static void our_threads_take_no_signal_and_are_known(void)
{
    struct reason why = {0};
    sigset_t prior, posterior;
    pthread_sigmask(SIG_SETMASK, NULL, &prior);
    CHECK(thread_start("cprof-test", our_thread, NULL, &why) == STATUS_OK);
    while (!atomic_load(&thread_word))
        lock_wait_word(&thread_word, 0, -1);
    CHECK(atomic_load(&thread_facts));
    CHECK(!thread_is_ours(gettid()));
    pthread_sigmask(SIG_SETMASK, NULL, &posterior);
    CHECK(memcmp(&prior, &posterior, 8) == 0);
    CHECK(thread_ours_cpu_ns() >= 0);
}

static void buffers_grow(void)
{
    struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    buf_puts(&b, "end");
    CHECK(!b.failed);
    CHECK(b.len == 3890 + 3);
    CHECK(memcmp(b.data + b.len - 7, "999,end", 7) == 0);
    buf_fini(&b);
    CHECK(b.data == NULL);
}

static enum status sum_up(void *arg, const struct stack *s)
{
    int64_t *sums = arg;
    sums[0] += s->weight[0];
    sums[1] += s->weight[1];
    sums[2]++;
    return STATUS_OK;
}

static void equal_stacks_are_one(void)
{
    struct stacktab t;
    int64_t sums[3] = {0};
    CHECK(stacktab_init(&t) == STATUS_OK);
    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t pc[3] = {i % 5000, 7, i % 3};
        int64_t weight[2] = {1, 10};
        stacktab_add(&t, &(struct stack_key){.flags = i % 2}, pc, 3, weight);
    }
    CHECK_INT(t.n, 15000);
    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t pc[3] = {i % 5000, 7, i % 3};
        int64_t weight[2] = {1, 10};
        stacktab_add(&t, &(struct stack_key){.flags = i % 2}, pc, 3, weight);
    }
    CHECK_INT(t.n, 15000);
    CHECK(stacktab_each(&t, sum_up, sums) == STATUS_OK);
    CHECK_INT(sums[0], 60000);
    CHECK_INT(sums[1], 600000);
    CHECK_INT(sums[2], 15000);
    stacktab_fini(&t);
}

static void random_is_uniform(void)
{
    uint64_t state = 1;
    int buckets[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t r = random_upto(&state, 1000);
        CHECK(r >= 1 && r <= 1000);
        buckets[(r - 1) / 100]++;
    }
    double chi2 = 0;
    for (int i = 0; i < 10; i++)
        chi2 += pow(buckets[i] - 10000.0, 2) / 10000.0;
    CHECK(chi2 < 33.7); /* 9 degrees of freedom, 1 in 10,000; the seed is fixed */
}

int main(void)
{
    the_lock_excludes();
    locks_are_free_in_a_forks_child();
    our_threads_take_no_signal_and_are_known();
    buffers_grow();
    equal_stacks_are_one();
    random_is_uniform();
    return check_done();
}
