/*
 * The engine: windows, rates, threads that come and go, foreign SIGPROFs and handlers, fork, refused timers. Totals are
 * compared with the CPU clock.
 */
#include "check.h"
#include "sampler/cpu.h"
#include "sig/tick.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct sum {
    _Atomic long ticks, records, wrong, cpu_ns;
};

static void add(void *self, const struct record *r, const char *thread, uint32_t ticks, uint32_t period_ns)
{
    (void)thread;
    struct sum *s = self;
    s->ticks += ticks;
    s->cpu_ns += (long)ticks * period_ns;
    s->records++;
    s->wrong += r->depth == 0 || r->pc[0] == 0 || r->tid <= 0;
}

static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void burn(double seconds)
{
    double end = thread_seconds() + seconds;
    while (thread_seconds() < end)
        for (volatile int i = 0; i < 10000; i++)
            ;
}

static struct cpu_window *open_window(uint32_t hz, struct sum *s)
{
    struct cpu_window *w = NULL;
    struct reason why = {0};
    CHECK(cpu_window_open(hz, (struct cpu_sink){add, s}, &w, &why) == STATUS_OK);
    return w;
}

/* Until the engine has armed this thread: the time before is not the test's subject. */
static void wait_armed(uint32_t hz)
{
    struct cpu_stats stats;
    do {
        usleep(500);
        cpu_stats(&stats);
    } while (stats.hz != hz || !stats.threads_covered);
}

/* A period is added at either end by chance; everything else must be there. */
static void totals_are_the_cpu_clocks(uint32_t hz)
{
    struct sum s = {0};
    struct cpu_stats stats;
    struct cpu_window *w = open_window(hz, &s);
    wait_armed(hz);
    double before = thread_seconds();
    burn(0.6);
    double used = thread_seconds() - before;
    cpu_window_close(w, &stats);
    CHECK_INT(s.wrong, 0);
    CHECK_INT(stats.ticks, s.ticks);
    CHECK_INT(stats.hz, hz);
#ifndef __SANITIZE_THREAD__ /* it has a thread that blocks every signal */
    CHECK_INT(stats.threads_blocked + stats.threads_refused, 0);
#endif
    CHECK(stats.threads_covered >= 1);
    /* Never more than was used, but for the spin in wait_armed. Less by what the kernel had not got round to when the
     * window closed: on a loaded machine one signal may come for 100 ms of CPU time. */
    double most = 2 + 1.05 * used * hz + 0.02 * hz, least = used * hz - 2 - 0.2 * hz;
    double kernel = (double)stats.kernel_cpu_ns / 1e9 * hz;
    printf("%u Hz: %ld ticks and %.1f in the kernel for %.1f\n", hz, (long)s.ticks, kernel, used * hz);
    CHECK((double)s.ticks + kernel <= most && (double)s.ticks + kernel >= least);
}

/* The slow window gets the fast one's ticks, and must not make ten times the CPU time of them. */
static void windows_share_one_engine(void)
{
    struct sum a = {0}, b = {0};
    struct cpu_window *first = open_window(100, &a);
    wait_armed(100);
    struct cpu_window *second = open_window(1000, &b);
    wait_armed(1000);
    long before = a.cpu_ns;
    burn(0.4);
    struct cpu_stats stats;
    cpu_window_close(second, NULL);
    CHECK(b.ticks >= 100);
    CHECK_INT(b.cpu_ns, b.ticks * 1000000);
    double slow = (double)(a.cpu_ns - before) / 1e9, fast = (double)b.cpu_ns / 1e9;
    printf("at 100 Hz %.2f s, at 1000 Hz %.3f s\n", slow, fast);
    CHECK(slow > fast - 0.025 && slow < fast + 0.025); /* a period at either end, and what came while arming */
    cpu_window_close(first, &stats);
    CHECK_INT(stats.hz, 100);
    CHECK_INT(stats.engine_hz, 1000);
    CHECK_INT(a.cpu_ns, a.ticks * 10000000);
    cpu_stats(&stats);
    CHECK_INT(stats.windows, 0);
    CHECK_INT(stats.hz, 0);
}

static _Atomic bool begin;

/* Spins until it is told to begin, so that what it then does was covered from its first instruction. */
static void *work_when_told(void *arg)
{
    while (!atomic_load(&begin))
        burn(0.001);
    burn(*(double *)arg);
    return NULL;
}

static void later_threads_are_covered(void)
{
    struct sum s = {0};
    double each = 0.3;
    struct cpu_window *w = open_window(1000, &s);
    struct cpu_stats stats;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work_when_told, &each);
    do {
        usleep(500);
        cpu_stats(&stats);
    } while (stats.threads_covered < 3);
    long before = s.ticks;
    atomic_store(&begin, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cpu_window_close(w, &stats);
    double seen = (double)(s.ticks - before) / 1000 + (double)stats.kernel_cpu_ns / 1e9;
    printf("two threads of %.1f s: %.3f s in ticks\n", each, seen);
    CHECK(seen > 2 * each - 0.2 && seen < 2 * each * 1.1 + 0.1);
}

static void *work_at_once(void *arg)
{
    burn(0.02);
    return arg;
}

static int64_t uncovered_ns(void)
{
    struct cpu_stats stats;
    cpu_stats(&stats);
    return stats.uncovered_cpu_ns;
}

/* Sampling that stopped in between, as around unshare(), made the second window's loss a negative number. */
static void what_was_lost_stays_lost_when_sampling_stops(void)
{
    struct sum a = {0}, b = {0};
    struct cpu_stats first, second;
    struct cpu_window *outer = open_window(100, &a);
    wait_armed(100);
    int64_t before = uncovered_ns();
    while (uncovered_ns() == before) {
        pthread_t thread;
        pthread_create(&thread, NULL, work_at_once, NULL);
        pthread_join(thread, NULL);
    }
    struct cpu_window *inner = open_window(100, &b);
    cpu_go_quiet();
    cpu_go_on();
    cpu_window_close(inner, &second);
    cpu_window_close(outer, &first);
    CHECK(second.uncovered_cpu_ns >= 0);
    CHECK(first.uncovered_cpu_ns > 0);
    CHECK(uncovered_ns() >= before + first.uncovered_cpu_ns);
}

#define IDLE 400

static int gate[2];

static void *idle(void *arg)
{
    char c;
    while (read(gate[0], &c, 1) < 0)
        ;
    return arg;
}

static void start_idle(pthread_t threads[IDLE])
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    CHECK(pipe(gate) == 0);
    for (int i = 0; i < IDLE; i++)
        CHECK(pthread_create(&threads[i], &small, idle, NULL) == 0);
    pthread_attr_destroy(&small);
}

static void end_idle(const pthread_t threads[IDLE])
{
    close(gate[1]);
    for (int i = 0; i < IDLE; i++)
        pthread_join(threads[i], NULL);
    close(gate[0]);
}

/* In the kernel, all but a few hundredths of it: sanitizers note down each byte that read() brings. */
static void burn_in_the_kernel(double seconds)
{
    static char zeros[1 << 20];
    double end = thread_seconds() + seconds;
    int fd = open("/dev/zero", O_RDONLY);
    while (thread_seconds() < end)
        CHECK(syscall(SYS_read, fd, zeros, sizeof zeros) == sizeof zeros);
    close(fd);
}

/* Events are read in turn, a few at a time: beside 500 threads most of this was lost, and showed up in a later window.
 */
static void time_in_the_kernel_is_read_when_a_window_ends(void)
{
    static pthread_t threads[IDLE];
    struct sum s = {0}, none = {0};
    struct cpu_stats first, later;
    start_idle(threads);
    struct cpu_window *w = open_window(100, &s);
    do {
        usleep(500);
        cpu_stats(&first);
    } while (first.threads_covered < IDLE + 1);
    bool by_events = first.threads_perf >= IDLE + 1;
    burn_in_the_kernel(0.3);
    struct cpu_window *second = open_window(100, &none);
    burn(0.05);
    cpu_window_close(second, &later);
    cpu_window_close(w, &first);
    end_idle(threads);
    printf("0.3 s in the kernel: %.3f s, and %.3f s afterwards\n", (double)first.kernel_cpu_ns / 1e9,
           (double)later.kernel_cpu_ns / 1e9);
    if (!by_events)
        return;
    CHECK(first.kernel_cpu_ns > 150000000);
    CHECK(later.kernel_cpu_ns < 150000000);
}

static volatile sig_atomic_t foreign;

static void on_foreign(int sig)
{
    (void)sig;
    foreign++;
}

/* The program's own SIGPROF keeps reaching its own handler, ours notwithstanding. */
static void foreign_signals_are_passed_on(void)
{
    struct sum s = {0};
    struct cpu_window *w = open_window(100, &s);
    wait_armed(100);
    foreign = 0;
    raise(SIGPROF);
    raise(SIGPROF);
    CHECK_INT(foreign, 2);
    cpu_window_close(w, NULL);
    raise(SIGPROF);
    CHECK_INT(foreign, 3);
}

/* A handler installed after ours must not go on receiving our ticks. */
static void a_later_handler_ends_sampling(void)
{
    struct sum s = {0};
    struct cpu_window *w = open_window(1000, &s);
    struct sigaction theirs = {.sa_handler = on_foreign}, ours;
    struct cpu_stats stats;
    wait_armed(1000);
    sigaction(SIGPROF, &theirs, &ours);
    do {
        burn(0.01);
        cpu_stats(&stats);
    } while (!stats.stolen);
    foreign = 0;
    burn(0.1);
    CHECK_INT(foreign, 0);
    cpu_window_close(w, &stats);
    CHECK(stats.stolen);
    w = open_window(1000, &s); /* the next one takes its turn, before theirs */
    wait_armed(1000);
    raise(SIGPROF);
    CHECK_INT(foreign, 1);
    cpu_window_close(w, NULL);
}

#ifndef __SANITIZE_THREAD__
static struct sigaction saved;

static void on_chained(int sig, siginfo_t *info, void *context)
{
    foreign++;
    if (saved.sa_flags & SA_SIGINFO)
        saved.sa_sigaction(sig, info, context);
}

/* Theirs calls ours as the one before it, and ours theirs: that must end, with the first one called too. */
static void handlers_that_call_each_other_end(void)
{
    struct sum s = {0};
    struct sigaction theirs = {.sa_sigaction = on_chained, .sa_flags = SA_SIGINFO};
    sigaction(SIGPROF, &theirs, &saved);
    struct cpu_window *w = open_window(1000, &s);
    wait_armed(1000);
    foreign = 0;
    raise(SIGPROF);
    CHECK_INT(foreign, 2); /* on_chained, and on_foreign which stood before all */
    burn(0.3);
    CHECK_INT(foreign, 2);
    cpu_window_close(w, NULL);
    CHECK(s.ticks >= 25);
}
#endif

__attribute__((unused)) static void a_forks_child_starts_anew(void)
{
    struct sum s = {0};
    struct cpu_window *w = open_window(1000, &s);
    wait_armed(1000);
    pid_t child = fork();
    if (child == 0) {
        struct cpu_stats stats;
        cpu_stats(&stats);
        int bad = stats.hz != 0 || stats.windows != 0 || stats.ticks != 0;
        struct sum own = {0};
        struct cpu_window *mine = open_window(1000, &own);
        wait_armed(1000);
        burn(0.4);
        cpu_window_close(mine, NULL);
        _exit(bad || own.ticks < 100 || check_failures ? 1 : 0);
    }
    burn(0.3);
    int status = 1;
    while (waitpid(child, &status, 0) < 0)
        ;
    CHECK_INT(status, 0);
    cpu_window_close(w, NULL);
    CHECK(s.ticks >= 50);
}

#define FORKS 20

/* Pages that each child touches or copies. */
static double faults_per_fork(void)
{
    struct rusage before, after;
    getrusage(RUSAGE_CHILDREN, &before);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        while (waitpid(child, NULL, 0) < 0)
            ;
    }
    getrusage(RUSAGE_CHILDREN, &after);
    return (double)(after.ru_minflt - before.ru_minflt) / FORKS;
}

/* Every child of a program that had once been sampled wrote to all pages of the ring, 300 of them on two processors. */
__attribute__((unused)) static void a_finished_profile_makes_no_fork_dearer(void)
{
    double before = faults_per_fork();
    struct sum s = {0};
    struct cpu_window *w = open_window(1000, &s);
    wait_armed(1000);
    burn(0.05);
    cpu_window_close(w, NULL);
    double after = faults_per_fork();
    printf("%.0f faults in a child, %.0f after a profile\n", before, after);
    CHECK(after < before + 100);
}

/* No handler has made the ring ready there, and one of the parent's ticks may just have been on its way. */
__attribute__((unused)) static void a_child_without_fork_handlers_may_get_a_late_tick(void)
{
    struct sum s = {0};
    struct cpu_window *w = open_window(1000, &s);
    struct cpu_stats stats;
    wait_armed(1000);
    burn(0.05);
    pid_t child = _Fork();
    if (child == 0) {
        siginfo_t tick = {.si_signo = SIGPROF, .si_code = SI_TIMER};
        for (uint32_t run = 1; run < 64; run++) {
            tick.si_value.sival_ptr = tick_tag(run, gettid());
            syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &tick);
        }
        cpu_go_quiet(); /* drains */
        cpu_go_on();
        _exit(0);
    }
    int status = 1;
    while (waitpid(child, &status, 0) < 0)
        ;
    CHECK_INT(status, 0);
    cpu_window_close(w, &stats);
}

#define SKIPPED 77

/* The first process of a namespace of its own, under the /proc of the one outside: the number that it has there is
 * another program's inside. */
static int sample_beside_a_namesake(void)
{
    char outer[16] = {0};
    int told[2];
    if (pipe(told) != 0 || readlink("/proc/self", outer, sizeof outer - 1) <= 0)
        return SKIPPED;
    pid_t number = (pid_t)atoi(outer);
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
    pid_t victim = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (victim < 0)
        return SKIPPED;
    if (victim == 0) {
        char c;
        signal(SIGPROF, SIG_DFL);
        close(told[1]);
        while (read(told[0], &c, 1) < 0)
            ;
        burn(0.3);
        _exit(0);
    }
    struct sum s = {0};
    struct cpu_stats stats, before;
    cpu_stats(&before);
    struct cpu_window *w = open_window(1000, &s);
    do {
        usleep(500);
        cpu_stats(&stats);
    } while (!stats.threads_covered && stats.scans_failed < before.scans_failed + 2);
    close(told[1]);
    int status = 1;
    while (waitpid(victim, &status, 0) < 0)
        ;
    cpu_window_close(w, NULL);
    return status == 0 ? 0 : 1;
}

/* It was sent our ticks, and died of them. */
__attribute__((unused)) static void no_other_program_by_the_number_of_a_thread_is_sampled(void)
{
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
            _exit(SKIPPED);
        pid_t first = fork();
        if (first == 0)
            _exit(sample_beside_a_namesake());
        int status = 1;
        while (waitpid(first, &status, 0) < 0)
            ;
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    int status = 1;
    while (waitpid(child, &status, 0) < 0)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        puts("skipped: no namespace of processes to be had");
    else
        CHECK_INT(status, 0);
}

static void *park(void *arg)
{
    (void)arg;
    pause();
    return NULL;
}

/* Each timer counts against RLIMIT_SIGPENDING: when it is used up that is said, and nothing breaks. */
__attribute__((unused)) static void refused_timers_are_counted(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        struct sum s = {0};
        struct cpu_stats stats;
        pthread_t t;
        pthread_create(&t, NULL, park, NULL);
        setrlimit(RLIMIT_SIGPENDING, &none);
        cpu_choose_clock(CPU_CLOCK_TIMER);
        struct cpu_window *w = open_window(100, &s);
        do
            cpu_stats(&stats);
        while (stats.threads_refused < 2);
        burn(0.05);
        cpu_window_close(w, &stats);
        _exit(stats.threads_refused >= 2 && check_failures == 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
}

static void bad_rates_are_refused(void)
{
    struct reason why = {0};
    struct cpu_window *w = NULL;
    CHECK(cpu_window_open(CPU_HZ_MAX + 1, (struct cpu_sink){add, NULL}, &w, &why) == STATUS_INVALID);
    CHECK(why.text[0]);
    CHECK_INT(cpu_set_hz(0), 100);
    CHECK_INT(cpu_set_hz(250), 100);
    CHECK_INT(cpu_set_hz(100), 250);
}

static void starts_and_stops_leave_nothing(void)
{
#ifdef __SANITIZE_THREAD__ /* its store of what the handler loads takes a lock, for which a tick then waits */
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
#endif
    for (int i = 0; i < 200; i++) {
        struct sum s = {0};
        struct cpu_window *w = open_window(i % 2 ? 100 : 1000, &s);
        cpu_window_close(w, NULL);
    }
    struct cpu_stats stats;
    cpu_stats(&stats);
    CHECK_INT(stats.windows, 0);
}

/* test_cpu timer: the clock that is there where perf events are not. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "timer") == 0)
        cpu_choose_clock(CPU_CLOCK_TIMER);
    struct sigaction own = {.sa_handler = on_foreign, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &own, NULL);
    bad_rates_are_refused();
#ifndef __SANITIZE_THREAD__
    a_finished_profile_makes_no_fork_dearer(); /* before any other */
#endif
    totals_are_the_cpu_clocks(100);
    totals_are_the_cpu_clocks(1000);
    windows_share_one_engine();
    later_threads_are_covered();
    what_was_lost_stays_lost_when_sampling_stops();
    time_in_the_kernel_is_read_when_a_window_ends();
    foreign_signals_are_passed_on();
    a_later_handler_ends_sampling();
#ifdef __SANITIZE_THREAD__
    puts("skipped: ThreadSanitizer tells a handler of its own as the one before, and has no threads in a fork's child");
#else
    handlers_that_call_each_other_end();
    a_child_without_fork_handlers_may_get_a_late_tick();
    no_other_program_by_the_number_of_a_thread_is_sampled();
    a_forks_child_starts_anew();
    refused_timers_are_counted();
#endif
    starts_and_stops_leave_nothing();
    return check_done();
}
