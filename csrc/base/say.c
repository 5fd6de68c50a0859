#include "base/say.h"

#include "base/any/mask.h"
#include "base/any/rawcall.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char remembered[PATH_MAX];

/* A relative name is one of now: the program may change its folder. */
void say_remember(const char *log)
{
    size_t n = 0;
    remembered[0] = '\0';
    if (!log || !log[0])
        return;
    if (log[0] != '/' && strcmp(log, "off") != 0 && getcwd(remembered, sizeof remembered - 1)) {
        n = strlen(remembered);
        remembered[n++] = '/';
    }
    if (n + strlen(log) < sizeof remembered)
        memcpy(remembered + n, log, strlen(log) + 1);
    else
        remembered[0] = '\0';
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

static void take_back(int sig)
{
    struct timespec at_once = {0};
    uint64_t one = UINT64_C(1) << (sig - 1);
    rawcall4(SYS_rt_sigtimedwait, (long)(uintptr_t)&one, 0, (long)(uintptr_t)&at_once, sizeof one);
}

/* A pipe that nobody empties would stop the host, which did not write: better no line. */
#define ROOM_PATIENCE_MS 100

static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, ROOM_PATIENCE_MS) > 0;
}

/* Nobody may be reading, the file be at its limit, the terminal be another job's: the host did not write, so the
 * signals for that are not for it. */
static void write_quietly(int fd, const char *text, size_t n)
{
    sigset_t pending;
    uint64_t before = mask_change(SIG_BLOCK, MASK_OF(SIGPIPE) | MASK_OF(SIGXFSZ) | MASK_OF(SIGTTOU));
    sigpending(&pending);
    ssize_t written = has_room(fd) ? write(fd, text, n) : 0;
    if (written < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        take_back(SIGPIPE);
    if (written < 0 && errno == EFBIG && !sigismember(&pending, SIGXFSZ))
        take_back(SIGXFSZ);
    mask_change(SIG_SETMASK, before);
}

void say(const char *text, ...)
{
    struct line l = {.n = 0};
    int saved = errno, cancel_state;
    if (strcmp(remembered, "off") == 0)
        return;
    va_list more;
    va_start(more, text);
    add(&l, "cprof: ");
    for (; text; text = va_arg(more, const char *))
        add(&l, text);
    va_end(more);
    l.text[l.n++] = '\n';
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    int fd = remembered[0] ? open(remembered, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666) : -1;
    write_quietly(fd >= 0 ? fd : STDERR_FILENO, l.text, l.n);
    if (fd >= 0)
        close(fd);
    pthread_setcancelstate(cancel_state, NULL);
    errno = saved;
}
