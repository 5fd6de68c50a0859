/* Hosts whose own fork handlers are older than anything of cprof's: they run between cprof's and the fork. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "host.h"

#define FORKS 40

static int run_child_that(int (*run)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int be_seven(void)
{
    alarm(HOST_GIVE_UP_S);
    return 7;
}

static int run_child(void)
{
    return run_child_that(be_seven);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cprof_profile *open_things;
static _Atomic bool end;

static void lock_before(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock_after(void)
{
    pthread_mutex_unlock(&mutex);
}

/* Holds the host's lock while it wants one of cprof's. */
static void *open_and_close(void *arg)
{
    while (!end) {
        pthread_mutex_lock(&mutex);
        if (host_sampled && HOST_CALLS)
            cprof_profile_add(open_things, arg, 0);
        work_units(1);
        if (host_sampled && HOST_CALLS)
            cprof_profile_remove(open_things, arg);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void fork_with_the_lock(void)
{
    int well = 0;
    pthread_atfork(lock_before, unlock_after, unlock_after);
    host_sample();
    if (host_sampled && HOST_CALLS)
        open_things = cprof_profile_new("things");
    pthread_t thread = host_thread(open_and_close, &well);
    for (int i = 0; i < FORKS; i++)
        well += run_child() == 0x700;
    end = true;
    pthread_join(thread, NULL);
    host_stop();
    printf("%d of %d children ended as they should\n", well, FORKS);
}

static void stop_before(void)
{
    if (host_sampled && HOST_CALLS)
        host_expect("stop before a fork", cprof_cpu_stop(), CPROF_OK);
}

static void start_after(void)
{
    host_record("after.pb.gz", HOST_HZ);
}

static void start_and_stop_in_child(void)
{
    host_record("child.pb.gz", HOST_HZ);
    if (host_sampled && HOST_CALLS)
        host_expect("stop in the child", cprof_cpu_stop(), CPROF_OK);
    fflush(stdout);
}

static void calls_in_handlers(void)
{
    int well = 0;
    pthread_atfork(stop_before, start_after, start_and_stop_in_child);
    host_sample();
    fflush(stdout);
    for (int i = 0; i < 5; i++)
        well += run_child() == 0x700;
    host_stop();
    printf("%d children ended as they should\n", well);
}

/* A namespace of its own for the next child, and for what it sees in /proc. */
static bool is_alone(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, NULL) == 0;
}

static int sample_again(void)
{
    alarm(HOST_GIVE_UP_S);
    printf("number %d, alone: %d\n", getpid(), is_alone());
    host_record("child.pb.gz", HOST_HZ);
    if (host_sampled && HOST_CALLS)
        host_expect("stop in the child", cprof_cpu_stop(), CPROF_OK);
    return fflush(stdout);
}

/* From the moment that its children are in another namespace it may make no thread. */
static int sample_and_fork(void)
{
    printf("number %d, alone: %d\n", getpid(), is_alone());
    host_sample();
    printf("again: %d\n", unshare(CLONE_NEWPID));
    fflush(stdout);
    return run_child_that(sample_again);
}

/* Each is number 1 of a namespace: a child cannot be told from its parent by the number. */
static void has_its_childs_number(void)
{
    printf("may: %d\n", unshare(CLONE_NEWPID));
    fflush(stdout);
    printf("ended with %#x\n", run_child_that(sample_and_fork));
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"lock", fork_with_the_lock}, {"calls", calls_in_handlers}, {"number", has_its_childs_number}, {NULL, NULL}};
    return host_main(argc, argv, cases);
}
