#include "api/recording.h"

#include "base/atfork.h"
#include "base/lock.h"
#include "encode/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Our duplicate goes where programs that count descriptors from 3 do not look. */
#define FD_FLOOR 200

static struct lock recording_lock = LOCK_INIT(LOCK_API);
static struct capture *capture;
static int output = -1;

static void fork_before(void)
{
    lock_take(&recording_lock);
}

static void fork_after_parent(void)
{
    lock_drop(&recording_lock);
}

/* The recording is the parent's; the child may start its own. */
static void fork_after_child(void)
{
    lock_reset_after_fork(&recording_lock);
    if (output >= 0)
        close(output);
    output = -1;
    capture = NULL;
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_API,
    .before = fork_before,
    .after_parent = fork_after_parent,
    .after_child = fork_after_child,
};

static enum status duplicate(int fd, int *copy, struct reason *why)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open", fd);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open for writing", fd);
    *copy = fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
    if (*copy < 0) /* a small RLIMIT_NOFILE */
        *copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *copy >= 0 ? STATUS_OK
                      : status_because(why, STATUS_SYSTEM, "cannot duplicate descriptor %d: %s", fd, strerror(errno));
}

enum status recording_start(int fd, int hz, struct reason *why)
{
    if (hz < 0)
        return status_because(why, STATUS_INVALID, "a rate of %d Hz is not possible", hz);
    atfork_register(&fork_hooks);
    lock_take(&recording_lock);
    enum status status = STATUS_OK;
    int copy = -1;
    if (capture)
        status = status_because(why, STATUS_BUSY, "cpu profiling already in use");
    if (!status)
        status = duplicate(fd, &copy, why);
    if (!status)
        status = capture_start((uint32_t)hz, &capture, why);
    if (!status)
        output = copy;
    else if (copy >= 0)
        close(copy);
    lock_drop(&recording_lock);
    return status;
}

static enum status write_all(int fd, const char *bytes, size_t n, struct reason *why)
{
    while (n) {
        ssize_t wrote = write(fd, bytes, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return status_because(why, STATUS_SYSTEM, "cannot write the profile: %s", strerror(errno));
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return STATUS_OK;
}

/* A pipe whose reader has gone must give an error, not a SIGPIPE that the host never asked for: blocked during the
 * write, and swallowed if this write raised it. */
static enum status write_quietly(int fd, const struct buf *bytes, struct reason *why)
{
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    enum status status = write_all(fd, bytes->data, bytes->len, why);
    if (status && !sigismember(&pending, SIGPIPE)) {
        struct timespec now = {0};
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum status recording_stop(struct reason *why)
{
    struct buf bytes = {0};
    lock_take(&recording_lock);
    struct capture *mine = capture;
    int fd = output;
    capture = NULL;
    output = -1;
    lock_drop(&recording_lock);
    if (!mine)
        return status_because(why, STATUS_NOT_RUNNING, "no cpu profile was started");
    enum status status = capture_finish(mine, &bytes, why);
    if (!status)
        status = write_quietly(fd, &bytes, why);
    close(fd);
    buf_fini(&bytes);
    return status;
}
