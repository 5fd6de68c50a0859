/*
 * The bytes of a connection, to the library as the loop uses it: gate, evhttp, exchange, routes, in this thread and
 * without waiting. 0xfe ends a packet; at the end the client says that it has no more, reads what there is, and goes.
 * That the library gives up, that an answer is none, or that the connection stays aborts.
 */
#include "base/clock.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/peer.h"
#include "http/policy.h"
#include "http/rescue.h"
#include "http/routes.h"
#include "http/security.h"
#include "http/wire.h"
#include "http/work.h"

#include "no_engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_END 0xfe
#define TURNS_MAX  3000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the worker, at its turn ---- */

static struct work *jobs;

void work_start(void (*tell)(void))
{
    (void)tell;
}

void work_nudge(void)
{
}

bool work_is_idle(void)
{
    return true;
}

enum status work_submit(struct work *job, struct reason *why)
{
    (void)why;
    job->next = jobs;
    jobs = job;
    return STATUS_OK;
}

bool work_withdraw(struct work *job)
{
    struct work **at = &jobs;
    while (*at && *at != job)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found)
        *at = job->next;
    return found;
}

void work_collect(void)
{
    while (jobs) {
        struct work *job = jobs;
        jobs = job->next;
        job->run(job);
        job->done(job);
    }
}

void work_stop(void)
{
}

void work_after_fork_child(void)
{
}

/* ---- the loop, as http/loop.c has it ---- */

static struct event_base *base;
static struct sockaddr_in at;
static struct policy open_to_all;

static void on_request(struct evhttp_request *req, void *unused)
{
    (void)unused;
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct peer *p = peer_of(evcon);
    struct exchange *ex = p ? wire_new(p, req) : NULL;
    if (!ex)
        evhttp_connection_free(evcon);
    else if (!ex->sound || security_admits(ex))
        routes_serve(ex);
}

static void start(void)
{
    struct event_config *config = event_config_new();
    event_config_avoid_method(config, "epoll");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof at;
    at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    demand(bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 10) == 0);
    demand(getsockname(fd, (struct sockaddr *)&at, &len) == 0 && peers_open(base) == STATUS_OK);
    struct evhttp *http = evhttp_new(base);
    struct evconnlistener *accept_at = evconnlistener_new(base, NULL, NULL, 0, 0, fd);
    demand(evhttp_bind_listener(http, accept_at) != NULL);
    evhttp_set_allowed_methods(http, USHRT_MAX);
    evhttp_set_max_headers_size(http, (ev_ssize_t)http_limits.header_bytes);
    evhttp_set_max_body_size(http, (ev_ssize_t)http_limits.body_bytes);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, NULL);
    evhttp_set_bevcb(http, peers_accept, &open_to_all);
    peers_add_door(accept_at);
}

static void turn(void)
{
    peers_accepting(clock_mono_ns());
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    work_collect();
    peers_settle(clock_mono_ns());
}

static bool nobody_is_there(void)
{
    struct pollfd fds[LIMITS_PEERS_MAX];
    return peers_poll(fds) == 0;
}

/* ---- the client ---- */

static char answer[1 << 16]; /* its begin */
static size_t answer_n;

/* False: the server has hung up. */
static bool hear(int fd)
{
    static char rest[1 << 16];
    bool begins = answer_n < sizeof answer;
    ssize_t got = begins ? recv(fd, answer + answer_n, sizeof answer - answer_n, 0) : recv(fd, rest, sizeof rest, 0);
    if (begins && got > 0)
        answer_n += (size_t)got;
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static void say(int fd, const uint8_t *bytes, size_t n)
{
    for (int i = 0; n && i < 100; i++) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        bytes += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
        turn();
        hear(fd);
    }
}

static void check_answer(void)
{
    demand(!answer_n || (answer_n > 12 && memcmp(answer, "HTTP/1.", 7) == 0));
    demand(!memmem(answer, answer_n, "\r\nAccess-Control", 16));
}

/* Closed by a reset: the system would otherwise remember each connection for a minute. */
static void hang_up(int fd)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    demand(!setjmp(rescue_point));
    rescue_arm();
    if (!base)
        start();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(connect(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    answer_n = 0;
    for (const uint8_t *p = bytes, *end = bytes + n; p < end;) {
        const uint8_t *stop = memchr(p, PACKET_END, (size_t)(end - p));
        say(fd, p, (size_t)((stop ? stop : end) - p));
        p = stop ? stop + 1 : end;
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 20 && hear(fd); i++)
        turn();
    hang_up(fd);
    for (int i = 0; i < TURNS_MAX && !nobody_is_there(); i++)
        turn();
    demand(nobody_is_there());
    check_answer();
    return 0;
}
