#include "api/recording.h"

#include "api/finish.h"
#include "api/output.h"
#include "base/atfork.h"
#include "base/descriptor.h"
#include "base/lock.h"
#include "encode/capture.h"

static struct lock recording_lock = LOCK_INIT(LOCK_API);
static struct capture *capture;
static struct descriptor output = DESCRIPTOR_NONE;

/* The recording is the parent's; the child may start its own. */
static void fork_after_child(void)
{
    lock_reset_after_fork(&recording_lock);
    descriptor_close(&output);
    capture = NULL;
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_API,
    .lock = &recording_lock,
    .after_child = fork_after_child,
};

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
        status = output_copy(fd, &copy, why);
    if (!status)
        status = capture_start((uint32_t)hz, &capture, why);
    if (!status)
        output = copy;
    else
        descriptor_close(&copy);
    lock_drop(&recording_lock);
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
        status = output_write(to.fd, &bytes, why);
    descriptor_close(&to);
    buf_fini(&bytes);
    return status;
}
