#include "sampler/procself.h"

#include "base/smallfile.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

/* The number behind "\nName:", 0 where there is none. The program's own name, in the first line, cannot hold one: the
 * kernel writes its newlines as "\n". */
static uint64_t number(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

bool procself_read(struct procself *out)
{
    char text[4096];
    *out = (struct procself){0};
    if (!smallfile_read("/proc/self/status", text, sizeof text))
        return false;
    out->rss_bytes = number(text, "\nVmRSS:") << 10;
    out->data_bytes = number(text, "\nVmData:") << 10;
    out->stack_bytes = number(text, "\nVmStk:") << 10;
    out->threads = (uint32_t)number(text, "\nThreads:");
    return true;
}

static uint32_t count_entries(int fd)
{
    _Alignas(uint64_t) char chunk[8192];
    uint32_t n = 0;
    long got;
    while ((got = syscall(SYS_getdents64, fd, chunk, sizeof chunk)) > 0) {
        for (long at = 0; at < got;) {
            unsigned short length;
            memcpy(&length, chunk + at + 16, sizeof length); /* behind inode and offset; then a byte, then the name */
            n += isdigit((unsigned char)chunk[at + 19]) != 0;
            at += length;
        }
    }
    return n;
}

/* From Linux 6.2 on the size of the folder is their number. The one through which it is counted is in it only where the
 * calling thread shares the table. */
uint32_t procself_descriptors(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st))
        return 0;
    if (st.st_size > 0)
        return (uint32_t)st.st_size;
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    uint32_t n = count_entries(fd);
    close(fd);
    return n;
}

/* The 22nd word of stat, in clock ticks since the machine's start. The 2nd is the program's name, in parentheses, which
 * may hold anything. */
static int64_t start_ns(pid_t pid)
{
    char text[4096], path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *at = smallfile_read(path, text, sizeof text) ? strrchr(text, ')') : NULL;
    for (int word = 2; at && word < 22; word++)
        at = strchr(at + 1, ' ');
    long hz = sysconf(_SC_CLK_TCK);
    if (!at || hz <= 0)
        return 0;
    unsigned long long ticks = strtoull(at, NULL, 10);
    return (int64_t)(ticks / (unsigned long long)hz) * NS_PER_S +
           (int64_t)(ticks % (unsigned long long)hz) * (NS_PER_S / hz);
}

double procself_age_seconds(pid_t pid)
{
    struct timespec now;
    int64_t began = start_ns(pid);
    if (!began || clock_gettime(CLOCK_BOOTTIME, &now))
        return 0;
    return (double)(now.tv_sec * NS_PER_S + now.tv_nsec - began) / 1e9;
}

double procself_uptime_seconds(void)
{
    static _Atomic int64_t started;
    static _Atomic pid_t whose;
    if (atomic_load(&whose) != getpid()) {
        atomic_store(&started, start_ns(getpid()));
        atomic_store(&whose, getpid());
    }
    struct timespec now;
    int64_t began = atomic_load(&started);
    if (!began || clock_gettime(CLOCK_BOOTTIME, &now))
        return 0;
    int64_t up = now.tv_sec * NS_PER_S + now.tv_nsec - began;
    return up > 0 ? (double)up / 1e9 : 0;
}
