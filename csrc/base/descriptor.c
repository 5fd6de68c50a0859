
#include "base/descriptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Above what programs reach and below FD_SETSIZE and the usual soft limit of 1024, so that the kernel's
 * table of descriptors does not grow beyond the 1024 entries it has steps for. */
#define HIGH_FD 960
#define LEAVE   64 /* to the host, where its limit is lower */

struct descriptor descriptor_of(int fd)
{
    struct descriptor d = DESCRIPTOR_NONE;
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0)
        d = (struct descriptor){.fd = fd, .dev = st.st_dev, .ino = st.st_ino};
    return d;
}

/* The lowest number that ours may have. */
static int high_floor(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < HIGH_FD + LEAVE)
        return limit.rlim_cur > 2 * LEAVE ? (int)limit.rlim_cur - LEAVE : 0;
    return HIGH_FD;
}

struct descriptor descriptor_lift(int fd)
{
    int from = high_floor();
    int high = from > fd ? fcntl(fd, F_DUPFD_CLOEXEC, from) : -1;
    if (high < 0)
        return descriptor_of(fd);
    close(fd);
    return descriptor_of(high);
}

struct descriptor descriptor_copy(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, high_floor());
    return descriptor_of(copy >= 0 ? copy : fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

bool descriptor_intact(const struct descriptor *d)
{
    struct stat st;
    return d->fd >= 0 && fstat(d->fd, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

void descriptor_close(struct descriptor *d)
{
    if (descriptor_intact(d))
        close(d->fd);
    d->fd = -1;
}
