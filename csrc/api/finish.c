#include "api/finish.h"

#include "base/thread.h"

struct finish {
    struct capture *capture;
    struct buf *out;
    struct reason why;
    enum status status;
};

static void finish_thread(void *arg)
{
    struct finish *f = arg;
    f->status = capture_finish(f->capture, NAMING_WITH, f->out, &f->why);
}

enum status finish_capture(struct capture *c, struct buf *out, struct reason *why)
{
    struct finish f = {.capture = c, .out = out};
    enum status status = thread_run("cprof-finish", finish_thread, &f, why);
    if (status) {
        capture_cancel(c);
        return status;
    }
    return f.status ? status_because(why, f.status, "%s", f.why.text) : STATUS_OK;
}
