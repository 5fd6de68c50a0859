#include "base/thread.h"

#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/clock.h"
#include "base/definition.h"
#include "base/labels.h"
#include "base/lock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Engine, event loop, worker, those in functions of the program's (http/call.h bounds them), and room for generations
 * that are just ending. */
#define MAX_OURS 64

/* libdw keeps whole line tables on the stack; the host's default may be a few KiB. Only touched pages are real. */
#define STACK_BYTES ((size_t)4 << 20)

static struct lock ours_lock = LOCK_INIT(LOCK_LEAF);
static _Atomic pid_t ours[MAX_OURS];
static _Atomic int64_t ended_cpu_ns;
static _Atomic pid_t leaving[MAX_OURS]; /* the last that ended, or are about to */
static _Atomic uint32_t n_leaving;
static _Atomic int32_t n_started; /* that have not left yet; those that have not begun yet count too */

static _Atomic(_Atomic unsigned *) libc_count; /* of threads; NULL where it is not to be found */

#define OWN_TABLE "/proc/thread-self/fd"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIRST_CLOSED 3
#else
#define FIRST_CLOSED 0
#endif

struct start {
    void (*run)(void *);
    void *arg;
    char name[16];
};

static void enter(pid_t tid)
{
    for (size_t i = 0; i < MAX_OURS; i++) {
        pid_t none = 0;
        if (atomic_compare_exchange_strong(&ours[i], &none, tid))
            return;
    }
}

/* Its last instructions are libc's: somebody may have to know when they are over. */
static void remember_leaving(pid_t tid)
{
    atomic_store(&leaving[atomic_fetch_add(&n_leaving, 1) % MAX_OURS], tid);
}

static void leave(pid_t tid)
{
    atomic_fetch_add(&ended_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
    remember_leaving(tid);
    atomic_fetch_sub(&n_started, 1);
    for (size_t i = 0; i < MAX_OURS; i++) {
        pid_t mine = tid;
        if (atomic_compare_exchange_strong(&ours[i], &mine, 0))
            return;
    }
}

/*
 * When the last thread of a process ends libc calls exit(0) in it, and counts threads for that. Ours do not count: the
 * last of the host's ends the process, in its own thread and with its own descriptors, as it would without us.
 */
static _Atomic unsigned *find_libc_count(void)
{
    _Atomic unsigned *count = definition_in("/libc.so.", "__nptl_nthreads");
    bool believable = count && *count > 0 && *count < (1u << 22); /* the kernel's own limit of threads */
    return believable ? count : NULL;
}

/* The creator is a thread that counts, or one of ours while others count: this cannot be the last. It may come after
 * the new thread has ended, and counted itself again: where the count is must be known before that. */
static void do_not_count(void)
{
    if (atomic_load(&libc_count))
        atomic_fetch_sub(atomic_load(&libc_count), 1);
}

/* libc takes one off again. If none was left the process is just ending: a second exit(0) would be one too many. */
static void count_again(void)
{
    _Atomic unsigned *count = atomic_load(&libc_count);
    _Atomic uint32_t never = 0;
    if (count && atomic_fetch_add(count, 1) == 0)
        for (;;)
            lock_wait_word(&never, 0, -1);
}

static void end(void *start)
{
    free(start);
    leave(gettid());
    count_again();
}

/* Whoever asked for it may be a real-time thread on a core of its own, where looking names up has no business. Where
 * else the process runs its first thread says, unless that is on a core of its own too. */
static void take_ordinary_place(void)
{
    const struct sched_param ordinary = {0};
    cpu_set_t first, now, both;
    if (prctl(PR_GET_SECCOMP) != 0) /* a filter may end who asks more; filter_here() takes a descriptor of the host's */
        return;
    if (sched_getscheduler(0) != SCHED_OTHER)
        sched_setscheduler(0, SCHED_OTHER, &ordinary);
    if (sched_getaffinity(getpid(), sizeof first, &first) != 0 || sched_getaffinity(0, sizeof now, &now) != 0)
        return;
    CPU_AND(&both, &first, &now);
    if (CPU_EQUAL(&both, &now) && !CPU_EQUAL(&first, &now))
        sched_setaffinity(0, sizeof first, &first);
}

/* What runs may be the program's, and end its thread by pthread_exit, as an interpreter does that is shutting down. */
static void *trampoline(void *start)
{
    pthread_cleanup_push(end, start);
    const struct start *s = start;
    pthread_setname_np(pthread_self(), s->name);
    labels_clear(); /* those of whoever asked for it */
    enter(gettid());
    take_ordinary_place();
    s->run(s->arg);
    pthread_cleanup_pop(1);
    return NULL;
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&ours_lock);
    for (size_t i = 0; i < MAX_OURS; i++)
        atomic_store(&ours[i], 0), atomic_store(&leaving[i], 0);
    atomic_store(&ended_cpu_ns, 0);
    atomic_store(&n_started, 0);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

enum status thread_start(const char *name, void (*run)(void *), void *arg, struct reason *why)
{
    atfork_register(&fork_hooks);
    if (!atomic_load(&libc_count))
        atomic_store(&libc_count, find_libc_count());
    struct start *s = malloc(sizeof *s);
    if (!s)
        return STATUS_NOMEM;
    *s = (struct start){.run = run, .arg = arg};
    strncpy(s->name, name, sizeof s->name - 1);

    /* The new thread inherits the mask of its creator: block, create, restore. */
    uint64_t before = mask_change(SIG_SETMASK, MASK_ALL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_t t;
    atomic_fetch_add(&n_started, 1);
    int err = pthread_create(&t, &attr, trampoline, s);
    pthread_attr_destroy(&attr);
    mask_change(SIG_SETMASK, before);
    if (err) {
        atomic_fetch_sub(&n_started, 1);
        free(s);
        return status_because(why, STATUS_SYSTEM, "cannot start thread %s: %s", name, status_errno(err));
    }
    do_not_count();
    return STATUS_OK;
}

/* In a table that is a copy of the host's, and may be full. Closing some does not move the others in the list. */
static void close_listed(void)
{
    close(FIRST_CLOSED);
    DIR *d = opendir(OWN_TABLE);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && atoi(e->d_name) >= FIRST_CLOSED && atoi(e->d_name) != dirfd(d))
            close(atoi(e->d_name));
    if (d)
        closedir(d);
}

bool thread_own_descriptors(void)
{
    if (close_range(FIRST_CLOSED, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0)
        return true;
    if (access(OWN_TABLE, R_OK | X_OK) != 0 || unshare(CLONE_FILES) != 0)
        return false;
    close_listed();
    return true;
}

bool thread_is_ours(pid_t tid)
{
    for (size_t i = 0; i < MAX_OURS; i++)
        if (atomic_load_explicit(&ours[i], memory_order_relaxed) == tid)
            return true;
    return false;
}

unsigned thread_ours_count(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < MAX_OURS; i++)
        n += atomic_load_explicit(&ours[i], memory_order_relaxed) != 0;
    return n;
}

static bool some_exist(const _Atomic pid_t *tids)
{
    for (size_t i = 0; i < MAX_OURS; i++) {
        pid_t tid = atomic_load(&tids[i]);
        if (tid && tgkill(getpid(), tid, 0) == 0)
            return true;
    }
    return false;
}

bool thread_wait_for_none(int64_t within_ns)
{
    const struct timespec moment = {.tv_nsec = 1000 * 1000};
    for (int64_t waited = 0; atomic_load(&n_started) > 0 || some_exist(leaving); waited += moment.tv_nsec) {
        if (waited >= within_ns)
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

int64_t thread_ours_cpu_ns(void)
{
    int64_t sum = atomic_load(&ended_cpu_ns);
    for (size_t i = 0; i < MAX_OURS; i++) {
        pid_t tid = atomic_load(&ours[i]);
        if (tid)
            sum += clock_ns(clock_of_thread(tid));
    }
    return sum;
}

struct errand {
    void (*run)(void *arg);
    void *arg;
    _Atomic uint32_t done;
};

static void run_errand(void *arg)
{
    struct errand *e = arg;
    thread_own_descriptors();
    e->run(e->arg);
    /* After the store the caller's stack frame may be gone: the wake is by address only. */
    atomic_store(&e->done, 1);
    lock_wake_word(&e->done);
}

enum status thread_run(const char *name, void (*run)(void *arg), void *arg, struct reason *why)
{
    struct errand e = {.run = run, .arg = arg};
    enum status status = thread_start(name, run_errand, &e, why);
    while (!status && !atomic_load(&e.done))
        lock_wait_word(&e.done, 0, -1);
    return status;
}

static _Atomic bool forbidden;

void thread_forbid(void)
{
    atomic_store(&forbidden, true);
}

bool thread_is_forbidden(void)
{
    return atomic_load_explicit(&forbidden, memory_order_relaxed);
}
