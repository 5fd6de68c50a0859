/*
 * Work under labels, and by threads with names: `labels CASE [FILE]`, recorded into FILE where one is given, else by
 * whoever started the program. Each function works for 0.2 s of CPU time, or so long as is said.
 */
#include "work.h"

#include <cprof.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

static const char *volatile work_name;

/* The name is used, so that no two are the same function. */
#define WORK(name, seconds)                                                                                            \
    __attribute__((noinline)) static void *name(void *arg)                                                             \
    {                                                                                                                  \
        work_name = #name;                                                                                             \
        double end = work_thread_seconds() + (seconds);                                                                \
        while (work_thread_seconds() < end)                                                                            \
            work_units(1);                                                                                             \
        return arg;                                                                                                    \
    }

WORK(plain, 0.2)
WORK(in_scope, 0.2)
WORK(by_pthread, 0.2)
WORK(by_grandchild, 0.2)
WORK(by_detached, 0.2)
WORK(by_unlabelled, 0.2)
WORK(by_child, 0.2)
WORK(by_worker, 0.006)

static int by_c11(void *arg)
{
    by_pthread(arg);
    return 17;
}

static void run_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, arg) == 0)
        pthread_join(thread, NULL);
}

/* The same stack under three sets, and one of them a second time; a loop and a return out of a block. */
static void scopes(void)
{
    in_scope(NULL);
    for (int i = 0; i < 2; i++) {
        CPROF_LABELS("endpoint", "/users", "method", "GET");
        in_scope(NULL);
        if (i)
            continue;
        CPROF_LABELS("endpoint", "/inner \"quoted\"");
        in_scope(NULL);
    }
    in_scope(NULL);
}

static void *make_grandchild(void *arg)
{
    cprof_labels_push("step", "child's own");
    run_thread(by_grandchild, arg);
    cprof_labels_pop();
    return arg;
}

static void inherit(void)
{
    thrd_t c11;
    pthread_t detached;
    pthread_attr_t attr;
    int result = 0;
    cprof_labels_push("request", "one");
    run_thread(by_pthread, NULL);
    run_thread(make_grandchild, NULL);
    thrd_create(&c11, by_c11, NULL);
    thrd_join(c11, &result);
    printf("c11 %d\n", result);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_create(&detached, &attr, by_detached, NULL);
    cprof_labels_pop();
    run_thread(by_unlabelled, NULL);
    plain(NULL);
    plain(NULL);
}

static void *named(void *name)
{
    prctl(PR_SET_NAME, name);
    usleep(200000); /* whose name is set while it sleeps */
    return in_scope(NULL);
}

static void *named_late(void *arg)
{
    double end = work_thread_seconds() + 1;
    in_scope(NULL);
    prctl(PR_SET_NAME, "late");
    while (work_thread_seconds() < end)
        in_scope(NULL);
    return arg;
}

static void *named_by_hand(void *arg)
{
    prctl(PR_SET_NAME, "the kernel's");
    CPROF_LABELS("thread", "the program's");
    return in_scope(arg);
}

static void names(void)
{
    run_thread(named, "alpha");
    run_thread(named, "beta \"2\"");
    run_thread(named_late, NULL);
    run_thread(named_by_hand, NULL);
}

/* As many as that at once, all of the same name, half of them with labels. */
static void many(void)
{
    static pthread_t threads[1000];
    prctl(PR_SET_NAME, "worker");
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i % 4);
        if (i % 2)
            cprof_labels_push("kind", text);
        pthread_create(&threads[i], NULL, by_worker, NULL);
        if (i % 2)
            cprof_labels_pop();
    }
    for (int i = 0; i < 1000; i++)
        pthread_join(threads[i], NULL);
}

static void *wait_for_end(void *arg)
{
    pause();
    return arg;
}

static void *push_and_wait(void *arg)
{
    cprof_labels_push("request", "pushed");
    return wait_for_end(arg);
}

/* Threads that wait, and a server. */
static void serve(void)
{
    pthread_t thread;
    prctl(PR_SET_NAME, "waits");
    cprof_labels_push("request", "in\"herited");
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, wait_for_end, NULL);
    cprof_labels_pop();
    pthread_create(&thread, NULL, push_and_wait, NULL);
    pthread_create(&thread, NULL, wait_for_end, NULL);
    cprof_serve("127.0.0.1:0");
    printf("serving http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (getchar() != EOF)
        plain(NULL);
    _exit(0);
}

/* The child of fork records for itself. */
static void forks(const char *file)
{
    cprof_labels_push("request", "one");
    plain(NULL);
    cprof_cpu_stop();
    pid_t child = fork();
    if (child == 0) {
        int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        cprof_cpu_start(fd, 1000);
        run_thread(by_child, NULL);
        by_child(NULL);
        _exit(cprof_cpu_stop() != CPROF_OK);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child %d\n", status);
    _exit(0);
}

/* Ends without exit(). */
static void dies(void)
{
    cprof_labels_push("request", "last");
    cprof_labels_push("step", "");
    in_scope(NULL);
    plain(NULL);
    fflush(stdout);
    signal(SIGABRT, SIG_DFL);
    abort();
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (argc > 2) {
        int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (cprof_cpu_start(fd, 1000) != CPROF_OK) {
            puts(cprof_last_error());
            return 1;
        }
    }
    if (strcmp(argv[1], "scopes") == 0)
        scopes();
    else if (strcmp(argv[1], "inherit") == 0)
        inherit();
    else if (strcmp(argv[1], "names") == 0)
        names();
    else if (strcmp(argv[1], "many") == 0)
        many();
    else if (strcmp(argv[1], "serve") == 0)
        serve();
    else if (strcmp(argv[1], "forks") == 0)
        forks(argv[2]);
    else if (strcmp(argv[1], "dies") == 0)
        dies();
    return argc > 2 && cprof_cpu_stop() != CPROF_OK;
}
