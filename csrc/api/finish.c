#include "api/finish.h"

#include "base/lock.h"
#include "base/thread.h"

struct finish {
    struct capture *capture;
    struct buf *out;
    struct reason why;
    enum status status;
    _Atomic uint32_t done;
};

static void finish_thread(void *arg)
{
    struct finish *f = arg;
    thread_own_descriptors();
    f->status = capture_finish(f->capture, NAMING_WITH, f->out, &f->why);
    /* After the store the caller's stack frame may be gone: the wake is by address only. */
    atomic_store(&f->done, 1);
    lock_wake_word(&f->done);
}

enum status finish_capture(struct capture *c, struct buf *out, struct reason *why)
{
    struct finish f = {.capture = c, .out = out};
    enum status status = thread_start("cprof-finish", finish_thread, &f, why);
    if (status) {
        capture_cancel(c);
        return status;
    }
    while (!atomic_load(&f.done))
        lock_wait_word(&f.done, 0, -1);
    return f.status ? status_because(why, f.status, "%s", f.why.text) : STATUS_OK;
}
