#include "api/output.h"

#include "base/any/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM_PATIENCE_MS 10000

enum status output_check(int fd, struct reason *why)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open", fd);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open for writing", fd);
    return STATUS_OK;
}

enum status output_copy(int fd, struct descriptor *copy, struct reason *why)
{
    enum status status = output_check(fd, why);
    if (status)
        return status;
    *copy = descriptor_copy(fd);
    return copy->fd >= 0
               ? STATUS_OK
               : status_because(why, STATUS_SYSTEM, "cannot duplicate descriptor %d: %s", fd, strerror(errno));
}

/* What is full may be emptied: the reader of a pipe is as quick as it is. */
static bool wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, ROOM_PATIENCE_MS) > 0;
}

static enum status write_all(int fd, const char *bytes, size_t n, struct reason *why)
{
    while (n) {
        ssize_t wrote = write(fd, bytes, n);
        if (wrote < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(fd))))
            continue;
        if (wrote < 0)
            return status_because(why, STATUS_SYSTEM, "cannot write the profile: %s", strerror(errno));
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return STATUS_OK;
}

/* A pipe whose reader has gone, or a file beyond RLIMIT_FSIZE, must give an error, not a signal that the host never
 * asked for: blocked during the write, and swallowed if this write raised it. */
enum status output_write(int fd, const struct buf *bytes, struct reason *why)
{
    static const int raised[] = {SIGPIPE, SIGXFSZ};
    sigset_t both, pending;
    sigemptyset(&both);
    for (size_t i = 0; i < sizeof raised / sizeof *raised; i++)
        sigaddset(&both, raised[i]);
    sigpending(&pending);
    uint64_t before = mask_change(SIG_BLOCK, MASK_OF(SIGPIPE) | MASK_OF(SIGXFSZ));
    enum status status = write_all(fd, bytes->data, bytes->len, why);
    for (size_t i = 0; i < sizeof raised / sizeof *raised; i++)
        if (sigismember(&pending, raised[i]))
            sigdelset(&both, raised[i]); /* the host's own */
    struct timespec now = {0};
    if (status)
        while (sigtimedwait(&both, NULL, &now) > 0 || errno == EINTR)
            ;
    mask_change(SIG_SETMASK, before);
    return status;
}
