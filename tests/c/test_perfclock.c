/*
 * The perf clock by itself: it ticks at the rate asked, what it misses was in the kernel, its descriptors are nobody
 * else's, and no signal of it that comes late reaches a handler of the host's, whose default kills.
 */
#include "base/any/counters.h"
#include "base/lock.h"
#include "base/thread.h"
#include "check.h"
#include "sampler/perfclock.h"
#include "sig/events.h"
#include "sig/tick.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint32_t wake;
static _Atomic int asked = -1, answered, fd = -1; /* what the thread that has the descriptors is to do, and has done */
static _Atomic int64_t kernel_ns;
static uint32_t period_ns;
static _Atomic pid_t host_tid;

static _Atomic int64_t cpu_told_ns; /* what the thread is said to have used */
static _Atomic bool lives;

enum { OPEN, LOOK, LIVES, CLOSE, FORBID, END };

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* To the calling thread alone, as perf_event_paranoid does to all. Once more allowed, it could not be told. */
static void forbid_events(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void do_one(int what, uint64_t *random)
{
    if (what == OPEN)
        fd = perfclock_open(host_tid, 0, period_ns, random);
    if (what == LOOK)
        perfclock_look(fd);
    if (what == LIVES)
        lives = perfclock_lives(fd, cpu_told_ns);
    if (what == CLOSE)
        perfclock_close(fd);
    if (what == FORBID)
        forbid_events();
    kernel_ns = perfclock_kernel_ns();
}

static void *engine(void *arg)
{
    uint64_t random = 7;
    perfclock_begin(thread_own_descriptors(), &wake);
    while (asked != END) {
        uint32_t seen = wake;
        perfclock_answer(&random);
        if (asked >= 0) {
            do_one(asked, &random);
            asked = -1;
            answered++;
        }
        lock_wait_word(&wake, seen, -1);
    }
    return arg;
}

static void wake_engine(void)
{
    wake++;
    lock_wake_word(&wake);
}

static void tell(int what)
{
    int before = answered;
    asked = what;
    wake_engine();
    while (answered == before)
        usleep(100);
}

static void work(int64_t ns)
{
    int64_t end = cpu_ns() + ns;
    while (cpu_ns() < end)
        for (volatile int i = 0; i < 50000; i++)
            ;
}

static void ticks_add_up(uint32_t hz)
{
    period_ns = 1000000000 / hz;
    tell(OPEN);
    CHECK(fd >= 0);
    int64_t begin = cpu_ns(), kernel = kernel_ns;
    uint32_t kept = event_cells[fd].kept;
    work(600000000);
    tell(LOOK);
    double used = (double)(cpu_ns() - begin) / 1e9 * hz, seen = event_cells[fd].kept - kept;
    double inside = (double)(kernel_ns - kernel) / 1e9 * hz;
    printf("%u Hz: %.0f ticks and %.0f in the kernel for %.0f\n", hz, seen, inside, used);
    /* A period that is not drawn anew for a while, since the engine waits for a CPU, goes on at its own rate. */
    CHECK(seen + inside > 0.85 * used - 3 && seen + inside < 1.15 * used + 3);
    CHECK(seen > 0.6 * used);
    tell(CLOSE);
    CHECK_INT(events_open, 0);
}

static bool lives_with(int64_t used_ns)
{
    cpu_told_ns = used_ns;
    tell(LIVES);
    return lives;
}

/* On a loaded machine an event counts up to the double of its thread's CPU time. Taken for another thread's, all that
 * the thread had ever used was added to the profile as lost. */
static void a_thread_is_known_by_its_clock_going_on(void)
{
    period_ns = 1000000;
    tell(OPEN);
    work(50000000);
    CHECK(lives_with(20000000)); /* counts 50 ms */
    tell(CLOSE);
}

static _Atomic bool over;

static void *other(void *arg)
{
    host_tid = gettid();
    while (!over)
        usleep(100);
    return arg;
}

/* The number of a thread that ended soon belongs to another. */
static void a_dead_threads_event_does_not_pass_for_alive(void)
{
    pthread_t thread;
    host_tid = 0;
    pthread_create(&thread, NULL, other, NULL);
    while (!host_tid)
        usleep(100);
    tell(OPEN);
    CHECK(fd >= 0);
    over = true;
    pthread_join(thread, NULL);
    lives_with(5000000);
    CHECK(lives_with(6000000)); /* may be the same one, throttled */
    CHECK(!lives_with(50000000));
    CHECK(!lives_with(1000000));
    tell(CLOSE);
    host_tid = gettid();
}

static void descriptors_are_not_the_hosts(void)
{
    period_ns = 1000000;
    tell(OPEN);
    CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    tell(CLOSE);
}

static volatile sig_atomic_t host_got;

static void on_host(int sig)
{
    (void)sig;
    host_got++;
}

static void send_as_if_from(int descriptor)
{
    siginfo_t info = {.si_signo = SIGPROF, .si_code = POLL_IN};
    info.si_fd = descriptor;
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &info) == 0);
}

/* ThreadSanitizer delivers signals when it comes to it. */
static void wait_for_host(int times)
{
    for (int i = 0; i < 100000 && host_got < times; i++)
        usleep(100);
    CHECK_INT(host_got, times);
}

static void late_signals_are_ours_and_others_the_hosts(void)
{
    uint64_t late = counter_read(COUNTER_TICK_LATE);
    host_got = 0;
    send_as_if_from(fd);
    CHECK_INT(host_got, 0);
    CHECK_INT(counter_read(COUNTER_TICK_LATE) - late, 1);
    send_as_if_from(3);
    wait_for_host(1);
    send_as_if_from(EVENTS_MAX + 1);
    wait_for_host(2);
}

static void send_bare(void)
{
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_USER};
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &info) == 0);
}

/* Without memory the kernel sends a tick bare: the host has no handler most times, and would have ended by it. */
static void a_signal_that_lost_its_info_is_ours_while_events_are_open(void)
{
    int before = host_got;
    send_bare();
    wait_for_host(before + 1);
    tell(OPEN);
    uint64_t late = counter_read(COUNTER_TICK_LATE);
    send_bare();
    CHECK_INT(host_got, before + 1);
    CHECK_INT(counter_read(COUNTER_TICK_LATE) - late, 1);
    tell(CLOSE);
}

static void without_room_there_is_none(void)
{
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    tell(OPEN);
    CHECK_INT(fd, -1);
    setrlimit(RLIMIT_NOFILE, &before);
    tell(OPEN); /* and not refused for good */
    CHECK(fd >= 0);
    tell(CLOSE);
}

/* Timers do then. */
static void a_refusal_leaves_nothing_open(void)
{
    tell(FORBID);
    tell(OPEN);
    CHECK_INT(fd, -1);
    CHECK_INT(events_open, 0);
}

int main(void)
{
    struct sigaction own = {.sa_handler = on_host};
    pthread_t thread;
    sigaction(SIGPROF, &own, NULL);
    CHECK(tick_install());
    host_tid = gettid();
    pthread_create(&thread, NULL, engine, NULL);
    period_ns = 1000000;
    tell(OPEN);
    if (fd < 0) {
        puts("skipped: perf events are not allowed here");
        return 0;
    }
    tell(CLOSE);
    static struct ring ring;
    CHECK(ring_init(&ring, 64)); /* fills up: what comes counts all the same */
    tick_on(&ring, 1, 1000000);
    ticks_add_up(100);
    ticks_add_up(1000);
    ticks_add_up(10000);
    a_thread_is_known_by_its_clock_going_on();
    a_dead_threads_event_does_not_pass_for_alive();
    descriptors_are_not_the_hosts();
    late_signals_are_ours_and_others_the_hosts();
    a_signal_that_lost_its_info_is_ours_while_events_are_open();
    without_room_there_is_none();
    a_refusal_leaves_nothing_open();
    asked = END;
    wake_engine();
    pthread_join(thread, NULL);
    return check_done();
}
