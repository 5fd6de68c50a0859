#include "api/recording.h"

#include "api/finish.h"
#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/descriptor.h"
#include "base/lock.h"
#include "encode/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct lock recording_lock = LOCK_INIT(LOCK_API);
static struct capture *capture;
static struct descriptor output = DESCRIPTOR_NONE;

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
    descriptor_close(&output);
    capture = NULL;
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_API,
    .before = fork_before,
    .after_parent = fork_after_parent,
    .after_child = fork_after_child,
};

static enum status duplicate(int fd, struct descriptor *copy, struct reason *why)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open", fd);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return status_because(why, STATUS_INVALID, "descriptor %d is not open for writing", fd);
    *copy = descriptor_copy(fd);
    return copy->fd >= 0
               ? STATUS_OK
               : status_because(why, STATUS_SYSTEM, "cannot duplicate descriptor %d: %s", fd, strerror(errno));
}

enum status recording_start(int fd, int hz, struct reason *why)
{
    if (hz < 0)
        return status_because(why, STATUS_INVALID, "a rate of %d Hz is not possible", hz);
    atfork_register(&fork_hooks);
    lock_take(&recording_lock);
    enum status status = STATUS_OK;
    struct descriptor copy = DESCRIPTOR_NONE;
    if (capture)
        status = status_because(why, STATUS_BUSY, "cpu profiling already in use");
    if (!status)
        status = duplicate(fd, &copy, why);
    if (!status)
        status = capture_start((uint32_t)hz, &capture, why);
    if (!status)
        output = copy;
    else
        descriptor_close(&copy);
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

/* A pipe whose reader has gone, or a file beyond RLIMIT_FSIZE, must give an error, not a signal that the host never
 * asked for: blocked during the write, and swallowed if this write raised it. */
static enum status write_quietly(int fd, const struct buf *bytes, struct reason *why)
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

enum status recording_stop(struct reason *why)
{
    lock_take(&recording_lock);
    struct capture *c = capture;
    struct descriptor to = output;
    struct buf bytes = {0};
    capture = NULL;
    output = (struct descriptor)DESCRIPTOR_NONE;
    lock_drop(&recording_lock);
    if (!c)
        return status_because(why, STATUS_NOT_RUNNING, "no cpu profile was started");
    enum status status = finish_capture(c, &bytes, why);
    if (!status && !descriptor_intact(&to))
        status = status_because(why, STATUS_SYSTEM, "the program closed the descriptor of the profile");
    if (!status)
        status = write_quietly(to.fd, &bytes, why);
    descriptor_close(&to);
    buf_fini(&bytes);
    return status;
}
