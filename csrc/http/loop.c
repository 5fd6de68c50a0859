#include "http/loop.h"

#include "base/lock.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/peer.h"
#include "http/registry.h"
#include "http/rescue.h"
#include "http/routes.h"
#include "http/work.h"

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

/* A poll that sleeps keeps closed descriptors alive and notices nothing, and with the eventfd gone nobody can
 * wake it: it looks around by itself this often. Two wake-ups of some 10 µs a second cost nothing; a
 * server_stop of a host that closed everything takes this long at most. */
#define LOOK_AROUND_MS 500

/* Who moves a door on: whoever holds the server's lock from FREE to NEW and from there to SHUTTING, the loop's thread
 * from NEW to OPEN and from SHUTTING to FREE. */
enum door_state { FREE, NEW, OPEN, SHUTTING };

struct door {
    _Atomic uint32_t state;
    struct listener listener; /* belongs to whoever may move the state on from FREE or SHUTTING; read by the others */

    /* the loop's; NULL until OPEN. One evhttp each: freeing it cuts the connections that came by it. */
    struct evhttp *http;
    struct evconnlistener *accept;
};

static struct event_base *base;
static struct door doors[LIMITS_DOORS];
static struct descriptor wake_fd = DESCRIPTOR_NONE;
static struct descriptor pipe_fd[2] = {DESCRIPTOR_NONE, DESCRIPTOR_NONE}; /* the library's own, see open_base */
static _Atomic bool asked_to_stop;
static bool doors_changed;  /* and not published yet */
static bool given_up;       /* a descriptor is not ours any more: nothing of the library may be freed */
static int accept_failures; /* in a row */
static int idle_turns;      /* likewise */
static uint64_t last_stamp;

static bool is_pipe(const int fd[2])
{
    struct stat a, b;
    return fstat(fd[0], &a) == 0 && fstat(fd[1], &b) == 0 && S_ISFIFO(a.st_mode) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* poll, not epoll: an epoll instance would be one more descriptor, in the low range, and shared with the
 * children of a fork. The library makes a pipe for signals that nobody uses; making one just before shows
 * that it can be had and which numbers it will get. Another thread may take them between, so this is only
 * believed where an error leaks two descriptors, not where it would close a pipe of the host. */
static enum status open_base(struct reason *why)
{
    int probe[2];
    if (pipe2(probe, O_CLOEXEC | O_NONBLOCK))
        return status_because(why, STATUS_SYSTEM, "cannot start the server: %s", strerror(errno));
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
    struct exchange *ex = p ? exchange_new(p, req) : NULL;
    if (ex)
        routes_serve(ex);
    else
        evhttp_connection_free(evcon);
}

static struct bufferevent *on_accept(struct event_base *b, void *unused)
{
    accept_failures = 0;
    return peers_accept(b, unused);
}

static void on_accept_error(struct evconnlistener *listener, void *unused)
{
    (void)listener, (void)unused;
    /* What the network did is over with the next accept; what is wrong with the socket stays. */
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP)
        accept_failures++;
    peers_pause(peer_now_ns() + http_limits.pause_ns);
}

static void configure(struct evhttp *http)
{
    evhttp_set_allowed_methods(http, USHRT_MAX); /* the others get our 405, not its 501 */
    evhttp_set_max_headers_size(http, (ev_ssize_t)http_limits.header_bytes);
    evhttp_set_max_body_size(http, (ev_ssize_t)http_limits.body_bytes);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, NULL);
    evhttp_set_bevcb(http, on_accept, NULL);
}

/* What fails here leaves the door to loop_close. */
static enum status open_door(struct door *d)
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
    configure(d->http);
    peers_add_door(d->accept);
    doors_changed = true;
    uint32_t was = NEW;
    atomic_compare_exchange_strong(&d->state, &was, OPEN);
    return STATUS_OK;
}

static void free_door(struct door *d)
{
    listener_close(&d->listener);
    d->http = NULL;
    d->accept = NULL;
    atomic_store(&d->state, FREE);
    lock_wake_word(&d->state);
}

static enum status open_rescued(struct reason *why)
{
    if (setjmp(rescue_point))
        return status_because(why, STATUS_SYSTEM, "cannot start the server: libevent gave up");
    rescue_arm();
    enum status s = open_base(why);
    if (!s)
        s = peers_open(base);
    return s ? s : open_door(&doors[0]);
}

static void hand_over(struct door *d, const struct listener *l)
{
    d->listener = *l;
    atomic_store(&d->state, NEW);
}

enum status loop_open(const struct listener *l, struct reason *why)
{
    wake_fd = descriptor_lift(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    int err = errno;
    pipe_fd[0].fd = pipe_fd[1].fd = -1;
    base = NULL;
    given_up = false;
    accept_failures = idle_turns = 0;
    atomic_store(&asked_to_stop, false);
    hand_over(&doors[0], l);
    enum status s = wake_fd.fd < 0 ? status_because(why, STATUS_SYSTEM, "cannot start the server: %s", strerror(err))
                                   : open_rescued(why);
    rescue_disarm();
    if (s)
        loop_close();
    return s;
}

static void wake(void)
{
    uint64_t one = 1;
    if (descriptor_intact(&wake_fd) && write(wake_fd.fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake anyway */
}

bool loop_listens(int i)
{
    return descriptor_intact(&doors[i].listener.socket);
}

int loop_add(const struct listener *l)
{
    for (int i = 0; i < LIMITS_DOORS; i++) {
        if (atomic_load(&doors[i].state) != FREE)
            continue;
        hand_over(&doors[i], l);
        wake();
        return i;
    }
    return -1;
}

void loop_shut(int i)
{
    atomic_store(&doors[i].state, SHUTTING);
    wake();
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
    wake();
}

static int timeout_ms(void)
{
    if (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0)
        return 0;
    int64_t due = peers_due_ns();
    int64_t wait = due == INT64_MAX ? due : due - peer_now_ns();
    if (wait <= 0)
        return 0;
    wait = wait / MS + 1; /* up, or the last millisecond would be spun away */
    return wait < LOOK_AROUND_MS ? (int)wait : LOOK_AROUND_MS;
}

static void shut(struct door *d)
{
    peers_remove_door(d->accept);
    evhttp_free(d->http);
    free_door(d);
    doors_changed = true;
}

/* Does what was asked for since the last turn. False when the loop has to end. */
static bool settle_doors(void)
{
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++) {
        uint32_t state = atomic_load(&d->state);
        if (state != NEW && state != SHUTTING)
            continue;
        peers_adopt();
        given_up = !descriptor_intact(&d->listener.socket) || !peers_intact(true);
        if (given_up || (!d->accept && open_door(d)))
            return false;
        if (atomic_load(&d->state) == SHUTTING)
            shut(d);
    }
    return true;
}

static bool doors_intact(void)
{
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (d->accept && !descriptor_intact(&d->listener.socket))
            return false;
    return true;
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

/* One wait and what it brought. False when the loop has to end. */
static bool turn(void)
{
    if (!settle_doors())
        return false;
    if (doors_changed)
        tell();
    registry_tend(peer_now_ns());
    struct pollfd fds[1 + LIMITS_DOORS + LIMITS_PEERS_MAX];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = wake_fd.fd, .events = POLLIN};
    bool accepting = peers_accepting(peer_now_ns());
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        fds[n++] = (struct pollfd){.fd = accepting && d->accept ? d->listener.socket.fd : -1, .events = POLLIN};
    n += peers_poll(fds + n);
    int ready = poll(fds, n, timeout_ms());
    if (ready < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
        return false;
    if (atomic_load(&asked_to_stop))
        return false;
    given_up = !descriptor_intact(&wake_fd) || !doors_intact() || !peers_intact(ready == 0);
    if (given_up)
        return false;
    if (fds[0].revents) {
        uint64_t count;
        if (read(wake_fd.fd, &count, sizeof count) == sizeof count)
            idle_turns = 0;
        work_collect();
    }
    given_up = !peers_expire(peer_now_ns());
    if (given_up)
        return false;
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    uint64_t stamp = peers_settle(peer_now_ns());
    idle_turns = ready > 0 && stamp == last_stamp ? idle_turns + 1 : 0;
    last_stamp = stamp;
    return accept_failures < LIMITS_ACCEPT_FAILURES && idle_turns < LIMITS_IDLE_TURNS;
}

void loop_close(void)
{
    /* evhttp closes its connections, and the base its pipe, by number. */
    bool pipe_gone = pipe_fd[0].fd >= 0 && !(descriptor_intact(&pipe_fd[0]) && descriptor_intact(&pipe_fd[1]));
    if (pipe_gone || !peers_intact(true))
        given_up = true;
    if (given_up)
        peers_abandon();
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (d->http && !given_up)
            evhttp_free(d->http);
    /* Every exchange has lost its client by now; those that are out with the worker come back to be freed. */
    work_stop();
    peers_close(given_up);
    if (base && !given_up)
        event_base_free(base);
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++)
        if (atomic_load(&d->state) != FREE)
            free_door(d);
    descriptor_close(&wake_fd);
    base = NULL;
}

void loop_run(void (*ending)(void))
{
    work_start(wake, wake_fd.fd);
    if (setjmp(rescue_point)) {
        given_up = true; /* also when it happens while freeing: what is left then is leaked */
    } else {
        rescue_arm();
        while (turn())
            ;
    }
    registry_withdraw();
    ending();
    loop_close();
    rescue_disarm();
}

void loop_after_fork_child(void)
{
    peers_after_fork_child();
    registry_after_fork_child();
    work_after_fork_child();
    for (struct door *d = doors; d < doors + LIMITS_DOORS; d++) {
        if (atomic_load(&d->state) != FREE)
            listener_after_fork_child(&d->listener);
        d->http = NULL;
        d->accept = NULL;
        atomic_store(&d->state, FREE);
    }
    descriptor_close(&wake_fd);
    pipe_fd[0].fd = pipe_fd[1].fd = -1;
    base = NULL;
}
