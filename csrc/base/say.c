#include "base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static char remembered[PATH_MAX];

void say_remember(const char *log)
{
    remembered[0] = '\0';
    if (log && strlen(log) < sizeof remembered)
        memcpy(remembered, log, strlen(log) + 1);
}

const char *say_remembered(void)
{
    return remembered[0] ? remembered : NULL;
}

struct line {
    char text[1024];
    size_t n;
};

/* Room for the line feed is always left. */
static void add(struct line *l, const char *text)
{
    size_t n = strlen(text), room = sizeof l->text - 1 - l->n;
    n = n < room ? n : room;
    memcpy(l->text + l->n, text, n);
    l->n += n;
}

void say(const char *text, ...)
{
    struct line l = {.n = 0};
    int saved = errno;
    if (strcmp(remembered, "off") == 0)
        return;
    va_list more;
    va_start(more, text);
    add(&l, "cprof: ");
    for (; text; text = va_arg(more, const char *))
        add(&l, text);
    va_end(more);
    l.text[l.n++] = '\n';
    int fd = remembered[0] ? open(remembered, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666) : -1;
    ssize_t ignored = write(fd >= 0 ? fd : STDERR_FILENO, l.text, l.n);
    (void)ignored;
    if (fd >= 0)
        close(fd);
    errno = saved;
}
