
#include "http/routes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define STEP      4096
#define MAX_BYTES (4 << 20) /* above the kernel's limit for arguments at the usual stack limit of 8 MiB (2 MiB) */

void cmdline_serve(struct exchange *ex)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        exchange_error(ex, 500, "cannot read /proc/self/cmdline: %s", status_errno(errno));
        return;
    }
    char *room;
    ssize_t n = 0;
    while (ex->out.len < MAX_BYTES && (room = buf_reserve(&ex->out, STEP)) && (n = read(fd, room, STEP)) > 0)
        ex->out.len += (size_t)n;
    close(fd);
    /* Every argument ends with a NUL there; here they are only separated. */
    if (ex->out.len && ex->out.data[ex->out.len - 1] == '\0')
        ex->out.len--;
    exchange_reply(ex, 200, "text/plain; charset=utf-8");
}
