#include "encode/cmdline.h"

#include "encode/json.h"
#include "encode/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define STEP      4096
#define MAX_BYTES (4 << 20) /* above the kernel's limit for arguments at the usual stack limit of 8 MiB (2 MiB) */

enum status cmdline_put(struct buf *out, struct reason *why)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_because(why, STATUS_SYSTEM, "cannot read /proc/self/cmdline: %s", status_errno(errno));
    size_t before = out->len;
    char *room;
    ssize_t n = 0;
    while (out->len - before < MAX_BYTES && (room = buf_reserve(out, STEP)) && (n = read(fd, room, STEP)) > 0)
        out->len += (size_t)n;
    close(fd);
    /* Every argument ends with a NUL there; here they are only separated. */
    if (out->len > before && out->data[out->len - 1] == '\0')
        out->len--;
    return STATUS_OK;
}

static void put_strings(struct buf *out, const char *at, const char *end)
{
    for (const char *from = at;; from = at + 1) {
        at = memchr(from, '\0', (size_t)(end - from));
        at = at ? at : end;
        json_put_string(out, from, (size_t)(at - from));
        if (at == end)
            return;
        buf_puts(out, ",");
    }
}

static void fill_json(struct buf *out)
{
    struct buf text = {0};
    bool told = cmdline_put(&text, NULL) == STATUS_OK && text.len;
    buf_puts(out, "[");
    if (told)
        put_strings(out, text.data, text.data + text.len);
    buf_puts(out, "]");
    buf_fini(&text);
}

void cmdline_put_json(struct buf *out)
{
    static struct kept kept = {.fill = fill_json};
    kept_put(&kept, out);
}
