#include "http/loop.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/status.h"
#include "base/thread.h"
#include "hook/got.h"
#include "http/call.h"
#include "http/limits.h"
#include "http/listener.h"
#include "http/opening.h"
#include "http/peer.h"
#include "http/registry.h"
#include "http/rescue.h"
#include "http/routes.h"
#include "http/security.h"
#include "http/wire.h"
#include "http/work.h"
#include "sampler/modules.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* In a table shared with the host a poll that sleeps keeps closed descriptors alive and notices nothing, and with the
 * eventfd gone nobody can wake it: it looks around by itself this often. Two wake-ups of some 10 µs a second cost
 * nothing; a server_stop of a host that closed everything takes this long at most. */
#define LOOK_AROUND_MS 500

/* While the worker names and encodes, which keeps a core busy for some tenths of a second, or where it cannot be had,
 * nobody can wake the loop: whoever wants something waits this long at most. */
#define LOOK_SOON_MS 20

/* The loop's thread moves a door on, but for OPEN to SHUTTING: that is for whoever holds the server's lock. */
enum door_state { FREE, OPEN, SHUTTING };

struct door {
    _Atomic uint32_t state;
    struct listener listener; /* the loop's; others read it when the state says that it is there */
    struct policy policy;     /* the loop's */

    /* the loop's; NULL while FREE. One evhttp each: freeing it cuts the connections that came by it. */
    struct evhttp *http;
    struct evconnlistener *accept;
};

static struct event_base *base;
static bool alone; /* in a descriptor table of its own */
static struct door doors[LIMITS_DOORS];
static struct descriptor wake_fd = DESCRIPTOR_NONE;
static struct descriptor pipe_fd[2] = {DESCRIPTOR_NONE, DESCRIPTOR_NONE}; /* the library's own, see open_base */
static _Atomic bool asked_to_stop;
static bool doors_changed;  /* and not published yet */
static bool given_up;       /* a descriptor is not ours any more, or the library has left: nothing of it may be freed */
static int accept_failures; /* in a row */
static int idle_turns;      /* likewise */
static uint64_t last_stamp;

static bool is_pipe(const int fd[2])
{
    struct stat a, b;
    return fstat(fd[0], &a) == 0 && fstat(fd[1], &b) == 0 && S_ISFIFO(a.st_mode) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* poll, not epoll: where the table is the host's an epoll instance would be one more descriptor, in the low range, and
 * shared with the children of a fork. The library makes a pipe for signals that nobody uses; making one just before
 * shows that it can be had and which numbers it will get. Another thread may take them between, so this is only
 * believed where an error leaks two descriptors, not where it would close a pipe of the host. */
static enum status open_base(struct reason *why)
{
    int probe[2];
    if (pipe2(probe, O_CLOEXEC | O_NONBLOCK))
        return status_because(why, STATUS_SYSTEM, "cannot start the server: %s", status_errno(errno));
    struct event_config *config = event_config_new();
    close(probe[0]);
    close(probe[1]);
    if (!config)
        return STATUS_NOMEM;
    event_config_avoid_method(config, "epoll");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    base = event_base_new_with_config(config);
    event_config_free(config);
    if (base && is_pipe(probe)) {
        pipe_fd[0] = descriptor_of(probe[0]);
        pipe_fd[1] = descriptor_of(probe[1]);
    }
    return base ? STATUS_OK : status_because(why, STATUS_SYSTEM, "cannot start the server: no event loop");
}

static void on_request(struct evhttp_request *req, void *unused)
{
    (void)unused;
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct peer *p = peer_of(evcon);
    struct exchange *ex = p ? wire_new(p, req) : NULL;
    if (!ex)
        evhttp_connection_free(evcon);
    else if (!ex->sound || security_admits(ex)) /* what cannot be read is answered there */
        routes_serve(ex);
}

static struct bufferevent *on_accept(struct event_base *b, void *policy)
{
    accept_failures = 0;
    return peers_accept(b, policy);
}

static void on_accept_error(struct evconnlistener *listener, void *unused)
{
    (void)listener, (void)unused;
    /* What the network did is over with the next accept; what is wrong with the socket stays. */
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP)
        accept_failures++;
    peers_pause(clock_mono_ns() + http_limits.pause_ns);
}

static void configure(struct evhttp *http, struct policy *policy)
{
    evhttp_set_allowed_methods(http, USHRT_MAX); /* the others get our 405, not its 501 */
    evhttp_set_max_headers_size(http, (ev_ssize_t)http_limits.header_bytes);
    evhttp_set_max_body_size(http, (ev_ssize_t)http_limits.body_bytes);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, NULL);
    evhttp_set_bevcb(http, on_accept, policy);
}

/* What fails here leaves the door to free_door. */
static enum status accept_at(struct door *d)
{
    d->http = evhttp_new(base);
    d->accept = d->http ? evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, d->listener.socket.fd) : NULL;
    if (!d->accept)
        return STATUS_NOMEM;
    if (!evhttp_bind_listener(d->http, d->accept)) {
        evconnlistener_free(d->accept);
        d->accept = NULL;
        return STATUS_NOMEM;
    }
    evconnlistener_set_error_cb(d->accept, on_accept_error);
    configure(d->http, &d->policy);
    peers_add_door(d->accept);
    return STATUS_OK;
}

/* The connections that came by it are known to peers, so that they are cut. */
static void free_door(struct door *d)
{
    if (d->accept)
        peers_remove_door(d->accept);
    if (d->http && !given_up)
        evhttp_free(d->http);
    d->http = NULL;
    d->accept = NULL;
    explicit_bzero(&d->policy, sizeof d->policy);
    listener_close(&d->listener);
    atomic_store(&d->state, FREE);
    lock_wake_word(&d->state);
}

static enum status open_door(struct opening *wanted, struct opened *o)
{
    for (o->door = 0; o->door < LIMITS_DOORS; o->door++) {
        struct door *d = &doors[o->door];
        if (atomic_load(&d->state) != FREE)
            continue;
        enum status s = listener_open(&wanted->address, &d->listener, &o->why);
        if (s)
            return s;
        d->policy = wanted->policy;
        if (!alone)
            d->listener.socket = descriptor_lift(d->listener.socket.fd);
        memcpy(o->text, d->listener.text, sizeof o->text);
        atomic_store(&d->state, OPEN); /* the library may leave for good from here on */
        s = accept_at(d);
        if (s)
            free_door(d);
        return s;
    }
    return status_because(&o->why, STATUS_BUSY, "the server is still closing a listener");
}

/* The door is gone again where nobody waited for it any more. */
static bool answer(const struct opened *o)
{
    bool waited_for = opening_answer(o);
    if (!waited_for && o->status == STATUS_OK)
        free_door(&doors[o->door]);
    return waited_for;
}

static enum status open_rescued(struct opening *wanted, struct opened *o)
{
    if (setjmp(rescue_point)) {
        given_up = true;
        return status_because(&o->why, STATUS_SYSTEM, "cannot start the server: libevent gave up");
    }
    rescue_arm();
    enum status s = open_base(&o->why);
    if (!s)
        s = peers_open(base);
    return s ? s : open_door(wanted, o);
}

static void reset(void)
{
    wake_fd.fd = pipe_fd[0].fd = pipe_fd[1].fd = -1;
    base = NULL;
    given_up = false;
    doors_changed = true;
    accept_failures = idle_turns = 0;
    atomic_store(&asked_to_stop, false);
}

/* In a table of its own the eventfd and the pipe get 0 to 2: should libc ever write words of its own to 2, no client
 * gets them. */
static enum status open_first(struct opening *wanted, struct opened *o)
{
    alone = thread_own_descriptors();
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return status_because(&o->why, STATUS_SYSTEM, "cannot start the server: %s", status_errno(errno));
    wake_fd = alone ? descriptor_of(fd) : descriptor_lift(fd);
    enum status s = open_rescued(wanted, o);
    rescue_disarm();
    return s;
}

static void close_all(void);

enum loop_begun loop_begin(void)
{
    struct opening wanted;
    struct opened o = {0};
    if (!opening_take(&wanted))
        return LOOP_DESERTED;
    reset();
    o.status = open_first(&wanted, &o);
    /* Before the answer: who is refused may ask for another loop at once. */
    if (o.status)
        close_all();
    if (answer(&o))
        return o.status ? LOOP_REFUSED : LOOP_SERVES;
    if (!o.status)
        close_all();
    return LOOP_DESERTED;
}

/* On the worker. */
static void wake(void)
{
    uint64_t one = 1;
    if (descriptor_intact(&wake_fd) && write(wake_fd.fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake anyway */
}

void loop_wake(void)
{
    work_nudge();
}

/* What is in the loop's own table nobody can have taken. */
bool loop_listens(int i)
{
    return alone || descriptor_intact(&doors[i].listener.socket);
}

void loop_shut(int i)
{
    atomic_store(&doors[i].state, SHUTTING);
    loop_wake();
}

void loop_wait_shut(int i)
{
    while (atomic_load(&doors[i].state) == SHUTTING)
        lock_wait_word(&doors[i].state, SHUTTING, -1);
}

void loop_leave(void)
{
    registry_leave();
    for (int i = 0; i < LIMITS_DOORS; i++)
        if (atomic_load(&doors[i].state) != FREE)
            listener_unlink(&doors[i].listener);
}

void loop_ask_stop(void)
{
    atomic_store(&asked_to_stop, true);
    loop_wake();
}

/* The registry, too, wants to look around now and then. */
static int64_t longest_wait_ms(void)
{
    if (!work_is_idle())
        return LOOK_SOON_MS;
    return alone ? http_limits.look_ns / MS : LOOK_AROUND_MS;
}

static int timeout_ms(void)
{
    if (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0)
        return 0;
    int64_t due = peers_due_ns(), longest = longest_wait_ms();
    int64_t wait = due == INT64_MAX ? due : due - clock_mono_ns();
    if (wait <= 0)
        return 0;
    wait = wait / MS + 1; /* up, or the last millisecond would be spun away */
    return (int)(wait < longest ? wait : longest);
}

static bool all_intact(void);

static void open_next(struct opening *wanted)
{
    struct opened o = {0};
    o.status = open_door(wanted, &o);
    doors_changed = doors_changed || o.status == STATUS_OK;
    answer(&o);
}

/* Does what was asked for since the last turn. False when the loop has to end. */
static bool settle_doors(void)
{
    struct opening wanted;
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++) {
        if (atomic_load(&d->state) != SHUTTING)
            continue;
        peers_adopt();
        given_up = !all_intact();
        if (given_up)
            return false;
        free_door(d);
        doors_changed = true;
    }
    if (opening_take(&wanted))
        open_next(&wanted);
    return true;
}

static bool doors_intact(void)
{
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (d->accept && !descriptor_intact(&d->listener.socket))
            return false;
    return true;
}

static bool all_intact(void)
{
    return doors_intact() && peers_intact(true);
}

static void tell(void)
{
    struct registry_addresses a = {0};
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (d->accept)
            memcpy(a.text[a.n++], d->listener.text, ADDRESS_ROOM);
    registry_publish(&a);
    doors_changed = false;
}

static bool knocks(const struct pollfd at_doors[LIMITS_DOORS])
{
    for (int i = 0; i < LIMITS_DOORS; i++)
        if (at_doors[i].revents)
            return true;
    return false;
}

/* One wait and what it brought. False when the loop has to end. */
static bool turn(void)
{
    if (!settle_doors())
        return false;
    if (doors_changed)
        tell();
    registry_tend(clock_mono_ns());
    struct pollfd fds[1 + LIMITS_DOORS + LIMITS_PEERS_MAX];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = wake_fd.fd, .events = POLLIN};
    bool accepting = peers_accepting(clock_mono_ns());
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        fds[n++] = (struct pollfd){.fd = accepting && d->accept ? d->listener.socket.fd : -1, .events = POLLIN};
    n += peers_poll(fds + n);
    int ready = poll(fds, n, timeout_ms());
    if (ready < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
        return false;
    if (atomic_load(&asked_to_stop))
        return false;
    given_up = !alone && (!descriptor_intact(&wake_fd) || !doors_intact() || !peers_intact(ready == 0));
    if (given_up)
        return false;
    if (fds[0].revents) {
        uint64_t count;
        if (read(wake_fd.fd, &count, sizeof count) == sizeof count)
            idle_turns = 0;
        work_collect();
        call_collect();
    }
    given_up = !peers_expire(clock_mono_ns()) || (knocks(fds + 1) && !peers_make_room(clock_mono_ns()));
    if (given_up)
        return false;
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    uint64_t stamp = peers_settle(clock_mono_ns());
    idle_turns = ready > 0 && stamp == last_stamp ? idle_turns + 1 : 0;
    last_stamp = stamp;
    return accept_failures < LIMITS_ACCEPT_FAILURES && idle_turns < LIMITS_IDLE_TURNS;
}

static void close_all(void)
{
    /* evhttp closes its connections, and the base its pipe, by number. */
    bool pipe_gone = pipe_fd[0].fd >= 0 && !(descriptor_intact(&pipe_fd[0]) && descriptor_intact(&pipe_fd[1]));
    if (pipe_gone || !peers_intact(true))
        given_up = true;
    if (given_up)
        peers_abandon();
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (atomic_load(&d->state) != FREE)
            free_door(d);
    /* Every exchange has lost its client by now; those that are out with the worker come back to be freed. */
    work_stop();
    call_close();
    peers_close(given_up);
    if (base && !given_up)
        event_base_free(base);
    descriptor_close(&wake_fd);
    base = NULL;
}

static void redirect(void *unused)
{
    (void)unused;
    modules_redirect();
}

/* A program that restricts its system calls may not do so past a server: its threads would be its death. The calls are
 * redirected on a thread that nobody waits for, since the loader is asked. */
static void watch_calls(int more)
{
    if (got_want(more))
        thread_start("cprof-redirect", redirect, NULL, NULL);
}

void loop_run(void (*ending)(void))
{
    if (setjmp(rescue_point)) {
        given_up = true; /* also when it happens while freeing: what is left then is leaked */
    } else {
        rescue_arm();
        work_start(wake);
        call_open();
        watch_calls(+1);
        while (turn())
            ;
    }
    opening_close(); /* who holds the lock that ending() wants waits for an answer, or for nothing of ours */
    registry_withdraw();
    ending();
    close_all();
    rescue_disarm();
    watch_calls(-1);
}

/* What was in the loop's own table is not here: its numbers are the host's. */
static void close_copies(void)
{
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (atomic_load(&d->state) != FREE)
            listener_after_fork_child(&d->listener);
    descriptor_close(&wake_fd);
    descriptor_close(&pipe_fd[0]);
    descriptor_close(&pipe_fd[1]);
}

void loop_after_fork_child(void)
{
    peers_after_fork_child(!alone);
    registry_after_fork_child();
    work_after_fork_child();
    opening_after_fork_child();
    if (!alone)
        close_copies();
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++) {
        d->http = NULL;
        d->accept = NULL;
        atomic_store(&d->state, FREE);
    }
    base = NULL;
}
