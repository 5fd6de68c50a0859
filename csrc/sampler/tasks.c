#include "sampler/tasks.h"

#include "base/ownmem.h"
#include "base/smallfile.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What getdents64 writes; glibc does not export the struct without its own renaming. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_among(uint32_t tid, const struct vec_u32 *tids)
{
    return tids->n && bsearch(&tid, tids->at, tids->n, sizeof tid, by_number);
}

/* getdents64 into a buffer of our own: opendir would allocate 32 KiB each time. */
bool tasks_list(struct vec_u32 *tids)
{
    _Alignas(struct entry) char chunk[8192];
    bool good = false;
    tids->n = 0;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        long got = syscall(SYS_getdents64, fd, chunk, sizeof chunk);
        good = got == 0;
        if (got <= 0)
            break;
        for (long at = 0; at < got;) {
            const struct entry *e = (const struct entry *)(chunk + at);
            if (isdigit((unsigned char)e->name[0]))
                vec_u32_push(tids, (uint32_t)strtoul(e->name, NULL, 10));
            at += e->length;
        }
    }
    close(fd);
    if (tids->n)
        qsort(tids->at, tids->n, sizeof *tids->at, by_number);
    if (!good || !is_among((uint32_t)getpid(), tids))
        tids->n = 0;
    return tids->n > 0;
}

bool tasks_is_own(int32_t tid)
{
    return tgkill(getpid(), tid, 0) == 0;
}

/* The value behind "Name:\t" in a status file, NULL where there is none. text is the whole file. */
static const char *field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

/* The pointer at address in this process, 0 where there is none to be read. */
static uint64_t peek(uint64_t address)
{
    uint64_t value = 0;
    return ownmem_read(address, &value, sizeof value) ? value : 0;
}

/* Is the thread asleep in a call that has put another signal mask in place for its length? Its status then tells that
 * one. The file holds the number of the call and its arguments, or "running"; in a process that is not dumpable (a
 * daemon that gave up root) nobody may read it: *readable is then false. */
static bool waits_under_other_mask(uint32_t tid, bool *readable)
{
    char path[64], text[4096];
    uint64_t a[6];
    long call;
    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/syscall", tid);
    *readable = smallfile_read(path, text, sizeof text);
    if (!*readable || sscanf(text, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &call,
                             &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) != 7)
        return false;
    switch (call) {
    case SYS_rt_sigsuspend: return true;
    case SYS_rt_sigtimedwait: /* what it waits for shows as not blocked, and is; the rest is its own */
        return peek(a[0]) == 0 || (peek(a[0]) & UINT64_C(1) << (SIGPROF - 1));
    case SYS_ppoll: return a[3] != 0;
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2: return a[4] != 0;
    case SYS_pselect6:
    case SYS_io_pgetevents: return a[5] != 0 && peek(a[5]) != 0;
    default: return false;
    }
}

enum tasks_consent tasks_may_signal(uint32_t tid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/status", tid);
    if (!smallfile_read(path, text, sizeof text))
        return TASKS_GONE;
    const char *blocked = field(text, "\nSigBlk:\t"), *seccomp = field(text, "\nSeccomp:\t");
    if (!blocked || (strtoull(blocked, NULL, 16) & UINT64_C(1) << (SIGPROF - 1)))
        return TASKS_NO;
    if (seccomp && strtoul(seccomp, NULL, 10) == 1)
        return TASKS_NO;
    const char *state = field(text, "\nState:\t");
    bool readable, running = state && *state == 'R';
    if (waits_under_other_mask(tid, &readable))
        return TASKS_UNKNOWN;
    return readable || running ? TASKS_YES : TASKS_ASLEEP;
}

uint64_t tasks_queue_room(void)
{
    char text[4096];
    const char *queue = smallfile_read("/proc/self/status", text, sizeof text) ? field(text, "\nSigQ:\t") : NULL;
    uint64_t used, limit;
    if (!queue || sscanf(queue, "%" SCNu64 "/%" SCNu64, &used, &limit) != 2)
        return UINT64_MAX;
    return used < limit / 2 ? limit / 2 - used : 0;
}
