#include "api/records.h"

#include "api/finish.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cprof_record {
    struct capture *capture;
    pid_t owner;
};

enum status records_start(const char *kind, int hz, struct cprof_record **out, struct reason *why)
{
    if (strcmp(kind, "cpu") != 0 && strcmp(kind, "profile") != 0)
        return status_because(why, STATUS_UNSUPPORTED, "%.40s cannot be recorded yet: cpu can", kind);
    if (hz < 0)
        return status_because(why, STATUS_INVALID, "a rate of %d Hz is not possible", hz);
    struct cprof_record *r = calloc(1, sizeof *r);
    if (!r)
        return STATUS_NOMEM;
    r->owner = getpid();
    enum status status = capture_start((uint32_t)hz, &r->capture, why);
    if (status)
        free(r);
    else
        *out = r;
    return status;
}

/* In a child the capture's window is gone with the parent's engine; its memory is left alone. */
enum status records_stop(struct cprof_record *r, struct buf *out, struct reason *why)
{
    bool mine = r->owner == getpid();
    struct capture *c = r->capture;
    free(r);
    return mine ? finish_capture(c, out, why)
                : status_because(why, STATUS_NOT_RUNNING, "the record was started by the parent process");
}

void records_drop(struct cprof_record *r)
{
    if (r->owner == getpid())
        capture_cancel(r->capture);
    free(r);
}
