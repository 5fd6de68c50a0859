/* Hosts that make threads while they have labels: pthread_create and thrd_create then pass through the front. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>

#include "host.h"

#define THREADS 1000

static void *answer(void *arg)
{
    return (void *)((intptr_t)arg + 1);
}

static int join(pthread_t thread)
{
    void *result = NULL;
    int failed = pthread_join(thread, &result);
    return failed ? -failed : (int)(intptr_t)result;
}

/* Each refusal comes as libc's own, errno untouched, and so often that what was set aside for threads would run out. */
static void refused(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    int first = 0, others = 0;
    host_sample();
    CPROF_LABELS("request", "one");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)1 << 46);
    for (int i = 0; i < 40000; i++) {
        errno = ENOTTY;
        int failed = pthread_create(&thread, &attr, answer, NULL);
        first = i ? first : failed;
        others += failed != first || errno != ENOTTY;
    }
    printf("refused: %s, otherwise %d times\n", strerror(first), others);
    pthread_create(&thread, NULL, answer, (void *)41);
    printf("answer %d\n", join(thread));
    host_stop();
}

static _Atomic int begun;
static pthread_mutex_t may_end = PTHREAD_MUTEX_INITIALIZER;

static void *count(void *arg)
{
    begun++;
    pthread_mutex_lock(&may_end);
    pthread_mutex_unlock(&may_end);
    return arg;
}

static void wait_for(int n)
{
    while (begun < n)
        usleep(1000);
}

/* All at once, every other one detached. */
static void thousand(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t detached;
    int failed = 0, sum = 0;
    host_sample();
    CPROF_LABELS("request", "one", "step", "two");
    pthread_attr_init(&detached);
    pthread_attr_setstacksize(&detached, (size_t)64 << 10);
    pthread_mutex_lock(&may_end);
    for (int i = 0; i < THREADS; i++) {
        pthread_attr_setdetachstate(&detached, i % 2 ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
        failed += pthread_create(&threads[i], &detached, count, (void *)(intptr_t)i) != 0;
    }
    wait_for(THREADS - failed);
    pthread_mutex_unlock(&may_end);
    for (int i = 0; i < THREADS; i += 2)
        sum += join(threads[i]);
    printf("%d failed, sum %d\n", failed, sum);
    host_stop();
}

static void *say_stack(void *arg)
{
    pthread_attr_t attr;
    void *low;
    size_t size, guard;
    int state, policy;
    struct sched_param param;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_getdetachstate(&attr, &state);
    pthread_getschedparam(pthread_self(), &policy, &param);
    printf("the stack that was given: %d, size %zu, guard %zu, detached %d, policy %d\n", low == arg, size, guard,
           state == PTHREAD_CREATE_DETACHED, policy);
    return NULL;
}

static int say_c11(void *arg)
{
    return *(int *)arg + 1;
}

static void attributes(void)
{
    static char stack[1 << 18] __attribute__((aligned(4096)));
    pthread_attr_t attr;
    pthread_t thread;
    thrd_t c11;
    struct sched_param none = {0};
    int result = 6;
    host_sample();
    CPROF_LABELS("request", "one");
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, sizeof stack);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_BATCH);
    pthread_attr_setschedparam(&attr, &none);
    int failed = pthread_create(&thread, &attr, say_stack, stack);
    pthread_join(thread, NULL);
    printf("create %d\n", failed);
    int created = thrd_create(&c11, say_c11, &result), joined = thrd_join(c11, &result);
    printf("C11 %d %d %d\n", created, joined, result);
    host_stop();
}

static void *wait_to_be_cancelled(void *arg)
{
    if (arg)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        pthread_testcancel();
    return NULL;
}

/* Some before they have begun. */
static void cancelled(void)
{
    int others = 0;
    host_sample();
    CPROF_LABELS("request", "one");
    for (int i = 0; i < 3000; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, wait_to_be_cancelled, i % 2 ? &others : NULL);
        pthread_cancel(thread);
        others += join(thread) != (int)(intptr_t)PTHREAD_CANCELED;
    }
    printf("not cancelled: %d\n", others);
    host_stop();
}

/* The plugin makes a thread of a function of ours, and is gone before that runs on. */
static void plugin(void)
{
    host_sample();
    CPROF_LABELS("request", "one");
    for (int i = 0; i < 50; i++) {
        void *handle = dlopen(host_arguments[0], RTLD_NOW);
        pthread_t (*make)(void *(*)(void *), void *) = NULL;
        if (handle)
            make = (pthread_t(*)(void *(*)(void *), void *))(uintptr_t)dlsym(handle, "labelled_make");
        if (!make) {
            puts(dlerror());
            return;
        }
        begun = 0;
        pthread_mutex_lock(&may_end);
        pthread_t thread = make(count, (void *)7);
        wait_for(1);
        dlclose(handle);
        pthread_mutex_unlock(&may_end);
        if (join(thread) != 7)
            puts("not 7");
    }
    puts("done");
    host_stop();
}

static void *make_threads(void *arg)
{
    CPROF_LABELS("request", "two");
    while (!begun) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, answer, arg) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

/* A child has what its parent's other threads had half done. */
static void forked(void)
{
    pthread_t maker;
    int bad = 0;
    host_sample();
    CPROF_LABELS("request", "one");
    pthread_create(&maker, NULL, make_threads, NULL);
    double end = host_storm_end(2);
    do {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            CPROF_LABELS("request", "child's");
            int failed = pthread_create(&thread, NULL, answer, (void *)1);
            _exit(failed || join(thread) != 2);
        }
        int status = -1;
        waitpid(child, &status, 0);
        bad += status != 0;
    } while (host_now() < end);
    begun = 1;
    pthread_join(maker, NULL);
    printf("bad children: %d\n", bad);
    host_stop();
}

/* A child of vfork has our memory, thread-locals and all. */
static void vforked(void)
{
    int bad = 0;
    host_sample();
    CPROF_LABELS("request", "one");
    for (int i = 0; i < 200; i++) {
        pid_t child = vfork();
        if (child == 0) {
            cprof_labels_push("request", "vforked");
            cprof_labels_pop();
            _exit(3);
        }
        int status = -1;
        waitpid(child, &status, 0);
        bad += WEXITSTATUS(status) != 3;
    }
    printf("bad children: %d\n", bad);
    host_stop();
}

static int end_for_gettid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Nothing of cprof is on but its labels. */
static void filtered(void)
{
    pthread_t thread;
    CPROF_LABELS("request", "one");
    printf("filter: %d\n", end_for_gettid());
    pthread_create(&thread, NULL, answer, (void *)41);
    printf("answer %d\n", join(thread));
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        {"refused", refused},     {"thousand", thousand}, {"attributes", attributes},
        {"cancelled", cancelled}, {"plugin", plugin},     {"forked", forked},
        {"vforked", vforked},     {"filtered", filtered}, {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
