
#include "http/server.h"

#include "base/atfork.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/address.h"
#include "http/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

enum state { OFF, ON, ENDING };

static struct lock server_lock = LOCK_INIT(LOCK_SERVER);

/* guarded by server_lock */
static enum state state;
static char bound[ADDRESS_ROOM];

static _Atomic uint32_t ended; /* how many loops have ended; server_stop sleeps on it */

static void before_fork(void)
{
    lock_take(&server_lock);
}

static void after_fork_parent(void)
{
    lock_drop(&server_lock);
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&server_lock);
    if (state != OFF)
        loop_after_fork_child();
    state = OFF;
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_SERVER, .before = before_fork, .after_parent = after_fork_parent, .after_child = after_fork_child};

/* A child of _Fork() may have copied the lock while somebody held it. */
static void enter(void)
{
    atfork_settle();
    lock_take(&server_lock);
}

static void on_ending(void)
{
    lock_take(&server_lock);
    state = ENDING;
    lock_drop(&server_lock);
}

static void server_thread(void *unused)
{
    (void)unused;
    loop_run(on_ending);
    lock_take(&server_lock);
    state = OFF;
    atomic_fetch_add(&ended, 1);
    lock_drop(&server_lock);
    lock_wake_word(&ended);
}

static enum status bind_failed(const struct address *a, struct reason *why)
{
    char text[ADDRESS_ROOM];
    address_print(a, text);
    switch (errno) {
    case EADDRINUSE: return status_because(why, STATUS_IN_USE, "%s is in use", text);
    case EACCES:
    case EPERM: return status_because(why, STATUS_DENIED, "cannot listen on %s: %s", text, strerror(errno));
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return status_because(why, STATUS_ADDRESS, "cannot listen on %s: %s", text, strerror(errno));
    }
    return status_because(why, STATUS_SYSTEM, "cannot listen on %s: %s", text, strerror(errno));
}

static enum status listen_at(struct address *a, struct descriptor *out, struct reason *why)
{
    int on = 1;
    enum status s = STATUS_OK;
    *out = (struct descriptor)DESCRIPTOR_NONE;
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bind_failed(a, why);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a->sa, a->len) || listen(fd, BACKLOG))
        s = bind_failed(a, why);
    else if (getsockname(fd, (struct sockaddr *)&a->sa, &a->len))
        s = status_because(why, STATUS_SYSTEM, "cannot read the address of a socket: %s", strerror(errno));
    if (s)
        close(fd);
    else
        *out = descriptor_lift(fd);
    return s;
}

static enum status start_at(struct address *a, struct reason *why)
{
    struct descriptor listener;
    enum status s = listen_at(a, &listener, why);
    if (s)
        return s;
    s = loop_open(listener, why);
    if (s)
        return s;
    address_print(a, bound);
    /* Before the thread: it may give up at once. */
    state = ON;
    s = thread_start("cprof-http", server_thread, NULL, why);
    if (s) {
        state = OFF;
        loop_close();
    }
    return s;
}

enum status server_start(const char *address, struct reason *why)
{
    struct address a;
    enum status s = address_parse(address, &a, why);
    if (s)
        return s;
    atfork_register(&fork_hooks);
    enter();
    if (state == OFF)
        s = start_at(&a, why);
    else
        s = status_because(why, STATUS_BUSY, "a server is already running on %s", bound);
    lock_drop(&server_lock);
    return s;
}

enum status server_address(char *text, size_t room)
{
    enter();
    bool on = state == ON && loop_listens();
    if (on && room)
        snprintf(text, room, "%s", bound);
    lock_drop(&server_lock);
    return on ? STATUS_OK : STATUS_NOT_RUNNING;
}

enum status server_stop(void)
{
    if (thread_is_ours(gettid()))
        return STATUS_INVALID;
    enter();
    enum state was = state;
    uint32_t seen = atomic_load(&ended);
    if (was == ON)
        loop_ask_stop();
    lock_drop(&server_lock);
    while (was != OFF && atomic_load(&ended) == seen)
        lock_wait_word(&ended, seen, -1);
    return was == ON ? STATUS_OK : STATUS_NOT_RUNNING;
}
