#include "sampler/perfclock.h"

#include "sampler/periods.h"
#include "sig/events.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A host that gets signals by descriptor itself most probably has low numbers. */
#define FIRST_OF_LIMIT(limit) ((limit) / 2)

/* An event that is throttled does not count for a while, at most until the kernel's next tick. */
#define LIVES_SLACK_NS 10000000

struct event {
    int32_t tid;
    uint32_t nominal_ns, drawn_ns;
    uint32_t kept_zero;        /* ticks that had counted when the books were opened */
    uint32_t came_begin;       /* signals that had come when the period in force began */
    int64_t zero_ns, begin_ns; /* the count, then */
    int64_t kernel_ns;         /* since the books were opened, in periods that are over */
    int64_t told_ns;           /* of the kernel's time: already in the sum */
    int64_t cpu_seen_ns;       /* what the thread had used when the event was last seen to count */
    int64_t count_seen_ns;     /* the count, then */
};

static struct event events[EVENTS_MAX];
static int highest = -1; /* descriptor in use */
static bool usable;      /* descriptors are the engine's own, and the kernel has not refused for good */
static int64_t kernel_ns_sum;
static bool abandoned;

void perfclock_begin(bool own, _Atomic uint32_t *wake)
{
    usable = own;
    events_wake(wake);
}

static int64_t count_of(int fd)
{
    int64_t count = 0;
    return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

static int open_event(int32_t tid, uint32_t period_ns)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = period_ns,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .disabled = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0 && errno != ESRCH && errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != EINTR)
        usable = false; /* perf_event_paranoid, a filter, a kernel without: the same for all threads */
    return fd;
}

/* -1: there is none that the handler could know. */
static int move_up(int fd)
{
    struct rlimit limit = {.rlim_cur = EVENTS_MAX};
    getrlimit(RLIMIT_NOFILE, &limit);
    int first = (int)FIRST_OF_LIMIT(limit.rlim_cur < EVENTS_MAX ? limit.rlim_cur : EVENTS_MAX);
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, first);
    close(fd);
    if (moved >= EVENTS_MAX) {
        close(moved);
        return -1;
    }
    return moved;
}

static bool send_to(int fd, int32_t tid)
{
    struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = tid};
    return fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETSIG, SIGPROF) == 0 && fcntl(fd, F_SETFL, O_ASYNC) == 0;
}

static void open_books(int fd, uint32_t nominal_ns, uint32_t drawn_ns, int64_t count)
{
    struct event *e = &events[fd];
    struct event_cell *c = &event_cells[fd];
    e->nominal_ns = nominal_ns;
    e->drawn_ns = drawn_ns;
    e->zero_ns = e->begin_ns = count;
    e->kept_zero = atomic_load(&c->kept);
    e->came_begin = atomic_load(&c->came);
    e->kernel_ns = e->told_ns = 0;
    atomic_store(&c->first, true);
    atomic_store(&c->left, 1);
}

int perfclock_open(int32_t tid, int64_t cpu_ns, uint32_t period_ns, uint64_t *random)
{
    uint32_t drawn = periods_first(period_ns, random);
    int fd = usable ? open_event(tid, drawn) : -1;
    if (fd >= 0)
        fd = move_up(fd);
    if (fd < 0)
        return -1;
    events[fd] = (struct event){.tid = tid, .cpu_seen_ns = cpu_ns};
    open_books(fd, period_ns, drawn, 0);
    atomic_store(&event_cells[fd].ever, true);
    atomic_store(&event_cells[fd].tid, tid);
    if (!send_to(fd, tid) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0) {
        atomic_store(&event_cells[fd].tid, 0);
        events[fd].tid = 0;
        close(fd);
        return -1;
    }
    highest = fd > highest ? fd : highest;
    atomic_fetch_add(&events_open, 1);
    return fd;
}

/* Ticks due less signals come: due in the kernel. They come one at a time, each for one period; a signal that is just
 * under way makes one more, for a moment, so what was told may be taken back. */
static int64_t kernel_in_period(int fd, int64_t count)
{
    const struct event *e = &events[fd];
    int64_t due = (count - e->begin_ns) / e->drawn_ns;
    int64_t came = (int64_t)(uint32_t)(atomic_load(&event_cells[fd].came) - e->came_begin);
    return due > came ? (due - came) * e->drawn_ns : 0;
}

static void tell_kernel(int fd, int64_t count)
{
    struct event *e = &events[fd];
    int64_t now = e->kernel_ns + kernel_in_period(fd, count);
    kernel_ns_sum += now - e->told_ns;
    e->told_ns = now;
}

void perfclock_look(int fd)
{
    tell_kernel(fd, count_of(fd));
}

int64_t perfclock_kernel_ns(void)
{
    return kernel_ns_sum;
}

static void close_event(int fd)
{
    atomic_store(&event_cells[fd].tid, 0);
    events[fd].tid = 0;
    close(fd);
    atomic_fetch_sub(&events_open, 1);
}

void perfclock_close(int fd)
{
    perfclock_look(fd);
    close_event(fd);
}

static void start_period(int fd, uint32_t drawn_ns, int64_t count)
{
    uint64_t value = drawn_ns;
    events[fd].drawn_ns = drawn_ns;
    events[fd].begin_ns = count;
    events[fd].came_begin = atomic_load(&event_cells[fd].came);
    ioctl(fd, PERF_EVENT_IOC_PERIOD, &value);
}

static void draw_next(int fd, uint64_t *random)
{
    struct event *e = &events[fd];
    struct event_cell *c = &event_cells[fd];
    int64_t count = count_of(fd);
    tell_kernel(fd, count);
    e->kernel_ns = e->told_ns;
    int64_t ticks = (int64_t)(uint32_t)(atomic_load(&c->kept) - e->kept_zero);
    int64_t owed = count - e->zero_ns - e->kernel_ns - ticks * e->nominal_ns;
    uint32_t drawn = periods_next(e->nominal_ns, owed, random);
    atomic_store(&c->first, false);
    start_period(fd, drawn, count);
    atomic_store(&c->left, periods_ticks(e->nominal_ns, random));
}

void perfclock_answer(uint64_t *random)
{
    for (uint32_t word = 0; word <= (uint32_t)highest / 64 && highest >= 0; word++)
        for (uint64_t bits = events_asking(word); bits; bits &= bits - 1) {
            int fd = (int)(word * 64) + __builtin_ctzll(bits);
            if (events[fd].tid)
                draw_next(fd, random);
        }
}

void perfclock_set_period(int fd, uint32_t period_ns, uint64_t *random)
{
    uint32_t drawn = periods_first(period_ns, random);
    int64_t count = count_of(fd);
    tell_kernel(fd, count);
    open_books(fd, period_ns, drawn, count);
    start_period(fd, drawn, count);
}

/* How much it counts says little: on a loaded machine it is more than the thread's CPU time by what interrupts and
 * other machines took. But it counts, as the clock of its thread goes on, and that never goes back. */
bool perfclock_lives(int fd, int64_t cpu_ns)
{
    struct event *e = &events[fd];
    int64_t count = count_of(fd), used = cpu_ns - e->cpu_seen_ns;
    if (used < 0 || count == e->count_seen_ns)
        return used >= 0 && used < LIVES_SLACK_NS;
    e->cpu_seen_ns = cpu_ns;
    e->count_seen_ns = count;
    return true;
}

void perfclock_abandon(void)
{
    events_forget((uint32_t)(highest + 1));
    abandoned = true;
}

bool perfclock_tidy(void)
{
    if (!abandoned)
        return false;
    abandoned = false;
    for (int fd = 0; fd <= highest; fd++)
        if (events[fd].tid)
            close_event(fd);
    highest = -1;
    return true;
}

void perfclock_after_fork_child(void)
{
    events_forget((uint32_t)(highest + 1));
    for (int fd = 0; fd <= highest; fd++)
        events[fd].tid = 0;
    highest = -1;
    kernel_ns_sum = 0;
    abandoned = false;
    atomic_store(&events_open, 0);
}
