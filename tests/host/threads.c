/* Hosts with threads that are not like others, or do what threads seldom do. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host.h"

#define STACK_BYTES ((size_t)256 << 10)

#if defined(__x86_64__)
/* No calls and no stack protector: this thread has no thread pointer, so nothing of libc works on it. */
__attribute__((noinline, optimize("no-stack-protector"))) static int spin_without_libc(void *arg)
{
    (void)arg;
    for (;;)
        __asm__ volatile("pause");
    return 0;
}

/* A runtime of another language starts its own threads, with a thread pointer of no use to libc. */
static void start_without_thread_pointer(void)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (clone(spin_without_libc, stack + STACK_BYTES, flags, NULL, NULL, NULL) < 0)
        perror("clone");
}

static void cloned(void)
{
    CPROF_LABELS("request", "where labels are looked for through it");
    start_without_thread_pointer();
    host_sample();
    host_burn(0.3);
    host_stop();
    printf("alive\n");
    fflush(stdout);
    _exit(0);
}
#endif

static _Atomic bool is_jailed, may_finish, finished;
static _Atomic pid_t jailed_tid;

/* Only read, write, _exit and sigreturn are left to it; any other call ends it. */
static void *work_in_jail(void *arg)
{
    jailed_tid = gettid();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        return arg;
    is_jailed = true;
    while (!may_finish)
        work_units(1);
    finished = true;
    syscall(SYS_exit, 0);
    return arg;
}

static bool jailed_lives(void)
{
    return !jailed_tid || tgkill(getpid(), jailed_tid, 0) == 0;
}

static void jailed(void)
{
    host_thread(work_in_jail, NULL);
    while (!is_jailed && jailed_lives())
        sched_yield();
    host_sample();
    host_burn(0.1);
    may_finish = true;
    while (jailed_lives())
        sched_yield();
    printf("the jailed thread %s\n", finished ? "finished" : "was killed");
    host_stop();
    host_sample_into("later.pb.gz", HOST_HZ);
    host_burn(0.05);
    host_stop();
    printf("alive\n");
}

enum call { SERVE, CLOSE, START, STOP, CALLS };

static int output;

/* The results do not matter here: half of the calls find nothing to do. */
static void call_cprof(enum call call)
{
    if (!host_sampled)
        return;
    if (call == SERVE)
        cprof_serve("127.0.0.1:0");
    else if (call == CLOSE)
        cprof_close();
    else if (call == START)
        cprof_cpu_start(output, HOST_HZ);
    else
        cprof_cpu_stop();
}

/* Cancelled before it calls: whatever waits in there is where it would end. */
static void *call_when_cancelled(void *arg)
{
    pthread_cancel(pthread_self());
    call_cprof((enum call)(intptr_t)arg);
    pthread_testcancel();
    return NULL;
}

static void *call_all_the_time(void *arg)
{
    (void)arg;
    for (int call = 0;; call = (call + 1) % CALLS) {
        call_cprof((enum call)call);
        pthread_testcancel();
    }
    return NULL;
}

static void print_fork_works(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, &status, 0);
    printf("fork: %d\n", status);
}

static void join_cancelled(pthread_t thread)
{
    void *result = NULL;
    pthread_join(thread, &result);
    if (result != PTHREAD_CANCELED)
        printf("a thread was not cancelled\n");
}

static void cancelled_in_call(void)
{
    output = open("/dev/null", O_WRONLY);
    for (int round = 0; round < 3; round++)
        for (intptr_t call = 0; call < CALLS; call++)
            join_cancelled(host_thread(call_when_cancelled, (void *)call));
    for (int i = 0; i < 30; i++) {
        pthread_t thread = host_thread(call_all_the_time, NULL);
        host_burn(0.001 * i);
        pthread_cancel(thread);
        join_cancelled(thread);
    }
    print_fork_works();
    if (host_sampled) {
        cprof_close();
        cprof_cpu_stop();
    }
    host_sample();
    host_stop();
    print_fork_works();
}

static void *spin_until_cancelled(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        work_units(1);
    return arg;
}

static void cancelled_at_any_instruction(void)
{
    host_sample_at(10000);
    for (int i = 0; i < 100; i++) {
        pthread_t thread = host_thread(spin_until_cancelled, NULL);
        host_burn(0.003);
        pthread_cancel(thread);
        join_cancelled(thread);
    }
    host_stop();
    printf("alive\n");
}

/* The library signals each thread to take the new identity, and waits for all of them. */
static void *change_identity(void *arg)
{
    for (int i = 0; i < 300; i++)
        if (setegid(getegid()) != 0 || setuid(getuid()) != 0)
            perror("setegid, setuid");
    return arg;
}

static void identity_changes(void)
{
    pthread_t threads[4];
    host_sample_at(10000);
    for (int i = 0; i < 4; i++)
        threads[i] = host_thread(change_identity, NULL);
    host_burn(0.1);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    host_stop();
    printf("alive\n");
}

#define DYING 8

/* A tick becomes due while the mask holds it back, and the thread ends, by the bare calls that nobody sees. */
static void *die_with_a_tick_pending(void *arg)
{
    uint64_t all = ~UINT64_C(0);
    if (host_sampled)
        host_burn_until_ticks(arg);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, sizeof all);
    for (volatile uint32_t i = 0; i < 20000000; i++)
        ;
    return arg;
}

static void dying(void)
{
    pthread_t threads[DYING];
    host_sample_at(1000);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < DYING; i++)
            threads[i] = host_thread(die_with_a_tick_pending, NULL);
        for (int i = 0; i < DYING; i++)
            pthread_join(threads[i], NULL);
    }
    host_stop();
    printf("alive\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
#if defined(__x86_64__)
        {"cloned", cloned},
#endif
        {"jailed", jailed},
        {"cancelled_in_call", cancelled_in_call},
        {"cancelled_anywhere", cancelled_at_any_instruction},
        {"identity", identity_changes},
        {"dying", dying},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
