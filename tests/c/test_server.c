/*
 * http/server over a plain socket client. Captures, statistics and symbols are replaced by stubs below, so
 * that every window and every name is counted and known; the real ones are tested by their own rooms.
 */
#define _GNU_SOURCE
#include "check.h"
#include "tables.h"

#include "base/lock.h"
#include "encode/capture.h"
#include "http/address.h"
#include "http/limits.h"
#include "http/server.h"
#include "sampler/cpu.h"
#include "symbol/symbols.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000 /* how long a test waits for what must come */
#define MS          INT64_C(1000000)

/* TSan ends a process that starts threads after a fork of a threaded one; that is what is tested here. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* ---- stubs ---- */

struct capture {
    int dummy;
};

static _Atomic int captures_open, captures_cancelled, captures_finished, finishing;
static _Atomic int looked_up;
static _Atomic uint32_t rates_asked; /* all of them or-ed: CHECK is for the main thread only */
static _Atomic bool capture_refuses, finish_fails, finish_waits, start_waits;
static _Atomic int starting;
static _Atomic size_t finish_bytes;

enum status capture_start(uint32_t hz, struct capture **out, struct reason *why)
{
    rates_asked |= hz;
    starting++;
    while (start_waits)
        usleep(1000);
    starting--;
    if (capture_refuses)
        return status_because(why, STATUS_BUSY, "SIGPROF is taken");
    *out = calloc(1, sizeof **out);
    captures_open++;
    return STATUS_OK;
}

enum status capture_finish(struct capture *c, enum naming_names names, struct buf *out, struct reason *why)
{
    (void)names;
    finishing++;
    while (finish_waits)
        usleep(1000);
    free(c);
    captures_open--;
    captures_finished++;
    finishing--;
    if (finish_fails)
        return status_because(why, STATUS_NOMEM, "no memory for it");
    buf_puts(out, "profile bytes");
    for (size_t i = 0; i < finish_bytes; i++)
        buf_put(out, "x", 1);
    return STATUS_OK;
}

void capture_cancel(struct capture *c)
{
    free(c);
    captures_open--;
    captures_cancelled++;
}

void cpu_stats(struct cpu_stats *out)
{
    *out = (struct cpu_stats){
        .samples = 11, .ticks = 22, .lost_ring_full = 33, .threads_covered = 4, .hz = 100, .windows = 2};
}

static size_t stub_frames(void *self, uint64_t address, struct named_frame out[NAMER_MAX_INLINE])
{
    (void)self;
    if (address == 0x1000) {
        out[0] = (struct named_frame){.name = "inlined()", .system_name = "_Z7inlinedv"};
        out[1] = (struct named_frame){.name = "outer(int)", .system_name = "_Z5outeri"};
        return 2;
    }
    out[0] =
        (struct named_frame){.name = address == 0x3000 ? "a\nb" : "", .system_name = address == 0x2000 ? "raw" : ""};
    return address <= 0x4000;
}

enum status symbols_open(struct symbols **out, const struct process *process, struct reason *why)
{
    (void)process, (void)why;
    looked_up++;
    *out = NULL;
    return STATUS_OK;
}

void symbols_close(struct symbols *s)
{
    (void)s;
}

struct namer symbols_namer(struct symbols *s)
{
    return (struct namer){.frames = stub_frames, .self = s};
}

/* ---- client ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_for(_Atomic int *what, int want)
{
    int64_t end = now_ms() + PATIENCE_MS;
    while (*what != want && now_ms() < end)
        usleep(500);
    CHECK_INT(*what, want);
}

static uint16_t port;

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool say(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

static char answer[1 << 22]; /* the bytes read by hear, NUL-terminated */
static size_t answer_n;

static bool hear_some(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1) {
        fprintf(stderr, "no answer in time\n");
        return false;
    }
    ssize_t n = recv(fd, answer + answer_n, sizeof answer - 1 - answer_n, 0);
    if (n <= 0)
        return false;
    answer_n += (size_t)n;
    answer[answer_n] = '\0';
    return true;
}

/* Reads one response: to the end of its Content-Length, or without one to the end of the connection. */
static void hear(int fd, bool head)
{
    answer_n = 0;
    answer[0] = '\0';
    char *body = NULL;
    while (!(body = strstr(answer, "\r\n\r\n")) && hear_some(fd))
        ;
    if (!body)
        return;
    char *length = strcasestr(answer, "\r\nContent-Length: ");
    size_t want = length && length < body ? strtoul(length + 18, NULL, 10) : SIZE_MAX;
    while (!head && answer_n - (size_t)(body + 4 - answer) < want && hear_some(fd))
        ;
}

static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, &c, 1, 0) <= 0;
}

/* The answer has exactly this status line, these headers ("Name: value" lines, in any order; Date comes on top of
 * them) and this body. */
static void expect(const char *what, const char *status, const char *headers, const char *body)
{
    char *end = strstr(answer, "\r\n\r\n"), *line = strstr(answer, "\r\n");
    if (!end) {
        fprintf(stderr, "%s: no answer: \"%s\"\n", what, answer);
        CHECK(end);
        return;
    }
    int before = check_failures, found = 0, wanted = 0;
    char got_body[65536];
    snprintf(got_body, sizeof got_body, "%s", end + 4);
    end[2] = '\0';
    CHECK(strncmp(answer, status, strlen(status)) == 0 && strncmp(answer + strlen(status), "\r\n", 2) == 0);
    for (char *p = line + 2; *p; p = strstr(p, "\r\n") + 2)
        found += strncmp(p, "Date: ", 6) != 0;
    for (const char *p = headers; *p; wanted++) {
        size_t n = strcspn(p, "\n");
        char want[300];
        snprintf(want, sizeof want, "\r\n%.*s\r\n", (int)n, p);
        if (!strstr(answer, want))
            fprintf(stderr, "missing: %.*s\n", (int)n, p);
        CHECK(strstr(answer, want));
        p += n + (p[n] != '\0');
    }
    CHECK_INT(found, wanted);
    CHECK_STR(got_body, body);
    if (check_failures != before)
        fprintf(stderr, "  for %s; got:\n%s\n", what, answer);
}

static void ask(const char *request_line, const char *more, const char *status, const char *headers, const char *body)
{
    char request[16384];
    const char *end = strstr(more, "\r\n\r\n") ? "" : "\r\n"; /* more may hold the body, too */
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s%s", request_line, more, end);
    int fd = dial();
    say(fd, request, strlen(request));
    hear(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    expect(request_line, status, headers, body);
}

static void serve(void)
{
    struct reason why = {0};
    char text[ADDRESS_ROOM];
    CHECK_INT(server_start(SERVER_INSIDE, ":0", &why), STATUS_OK);
    if (*why.text)
        fprintf(stderr, "%s\n", why.text);
    CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_OK);
    port = (uint16_t)atoi(strchr(text, ':') + 1);
}

static void stop(void)
{
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    CHECK_INT(captures_open, 0);
    CHECK_INT(rates_asked, 0);
}

static int count_fds(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* ---- tests ---- */

#define PLAIN       "Content-Type: text/plain; charset=utf-8\n"
#define NOSNIFF     "X-Content-Type-Options: nosniff\n"
#define HTML        "Content-Type: text/html; charset=utf-8\n"
#define OK          "HTTP/1.1 200 OK"
#define MOVED       "HTTP/1.1 301 Moved Permanently"
#define NOT_FOUND   "HTTP/1.1 404 Not Found"
#define NOT_ALLOWED "HTTP/1.1 405 Method Not Allowed"
#define UNKNOWN     PLAIN NOSNIFF "X-Go-Pprof: 1\nContent-Length: 16"
#define NO_PAGE     PLAIN NOSNIFF "Content-Length: 19"

static void paths(void)
{
    serve();
    ask("GET /debug/pprof", "", MOVED, HTML "Location: /debug/pprof/\nContent-Length: 48",
        "<a href=\"/debug/pprof/\">Moved Permanently</a>.\n\n");
    ask("GET /debug/pprof?a=1&b=<", "", MOVED, HTML "Location: /debug/pprof/?a=1&b=<\nContent-Length: 63",
        "<a href=\"/debug/pprof/?a=1&amp;b=&lt;\">Moved Permanently</a>.\n\n");
    ask("HEAD /debug/pprof", "", MOVED, HTML "Location: /debug/pprof/\nContent-Length: 0", "");
    ask("GET //debug/pprof/heapx", "", MOVED, HTML "Location: /debug/pprof/heapx\nContent-Length: 53",
        "<a href=\"/debug/pprof/heapx\">Moved Permanently</a>.\n\n");
    ask("GET /debug/./pprof/../pprof/cmdline?x=%41", "", MOVED,
        HTML "Location: /debug/pprof/cmdline?x=%41\nContent-Length: 61",
        "<a href=\"/debug/pprof/cmdline?x=%41\">Moved Permanently</a>.\n\n");
    ask("GET /debug//pprof", "", MOVED, HTML "Location: /debug/pprof/\nContent-Length: 48",
        "<a href=\"/debug/pprof/\">Moved Permanently</a>.\n\n");
    ask("GET /debug/pprof/x/..", "", MOVED, HTML "Location: /debug/pprof/\nContent-Length: 48",
        "<a href=\"/debug/pprof/\">Moved Permanently</a>.\n\n");
    ask("GET http://localhost", "", MOVED, HTML "Location: /\nContent-Length: 36",
        "<a href=\"/\">Moved Permanently</a>.\n\n");
    ask("POST //debug/pprof/heapx", "", MOVED, "Location: /debug/pprof/heapx\nContent-Length: 0", "");
    ask("GET /debug/pprof/heapx", "", NOT_FOUND, UNKNOWN, "Unknown profile\n");
    ask("HEAD /debug/pprof/heapx", "", NOT_FOUND, UNKNOWN, "");
    ask("GET /debug/pprof/cmdline/", "", NOT_FOUND, UNKNOWN, "Unknown profile\n");
    ask("GET /debug/pprof/a%2fb", "", NOT_FOUND, UNKNOWN, "Unknown profile\n");
    ask("GET /debug/pprof/#x", "", NOT_FOUND, UNKNOWN, "Unknown profile\n");
    ask("GET /debug/pprof/<script>scripty<script>", "", NOT_FOUND, UNKNOWN, "Unknown profile\n");
    ask("GET /", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    ask("GET /debug%2Fpprof/", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    ask("GET /debug", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    ask("GET /debug/other", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    static const char *const get_only[] = {
        "POST /debug/pprof",        "POST /debug/pprof/",      "POST /debug/pprof/cmdline",
        "PUT /debug/pprof/profile", "DELETE /debug/pprof/zzz", "FOO /debug/pprof/",
        "OPTIONS /debug/pprof/",    "TRACE /debug/pprof/",     "PATCH /debug/pprof/"};
    for (size_t i = 0; i < sizeof get_only / sizeof *get_only; i++) {
        bool known = strncmp(get_only[i], "POST", 4) == 0;
        ask(get_only[i], "", NOT_ALLOWED,
            known ? PLAIN NOSNIFF "Allow: GET, HEAD\nContent-Length: 19"
                  : PLAIN NOSNIFF "Allow: GET, HEAD\nConnection: close\nContent-Length: 19",
            "Method Not Allowed\n");
    }
    ask("PUT /debug/pprof/symbol", "", NOT_ALLOWED,
        PLAIN NOSNIFF "Allow: GET, HEAD, POST\nConnection: close\nContent-Length: 19", "Method Not Allowed\n");
    ask("GET /debug/pprof/%zz", "", "HTTP/1.1 400 Bad Request", PLAIN NOSNIFF "Connection: close\nContent-Length: 16",
        "400 Bad Request\n");
    ask("GET x", "", "HTTP/1.1 400 Bad Request", PLAIN NOSNIFF "Connection: close\nContent-Length: 16",
        "400 Bad Request\n");
    stop();
}

static void hosts(void)
{
    static const char denied[] = "Forbidden: this server answers to localhost and to IP addresses only; allow_host "
                                 "(CPROF_ALLOW_HOST, --allow-host) adds names\n";
    static const char *const rows[] = {"Host: evil.example\r\n", "Host: localhost.evil.example\r\n",
                                       "host: evil.example:6060\r\n"};
    serve();
    for (size_t i = 0; i < 3; i++) {
        char request[300];
        snprintf(request, sizeof request, "GET /debug/pprof/cmdline HTTP/1.1\r\n%s\r\n", rows[i]);
        int fd = dial();
        say(fd, request, strlen(request));
        hear(fd, false);
        close(fd);
        expect(rows[i], "HTTP/1.1 403 Forbidden", PLAIN NOSNIFF "Content-Length: 125", denied);
    }
    ask("GET http://evil.example/debug/pprof/", "", "HTTP/1.1 403 Forbidden", PLAIN NOSNIFF "Content-Length: 125",
        denied);
    int fd = dial();
    say(fd, "GET /debug/pprof/heapx HTTP/1.0\r\n\r\n", 35);
    hear(fd, false);
    CHECK(hung_up(fd));
    close(fd);
    expect("no host", "HTTP/1.0 404 Not Found", UNKNOWN, "Unknown profile\n");
    stop();
}

static void cmdline_and_index(char **argv)
{
    serve();
    char headers[200];
    snprintf(headers, sizeof headers, PLAIN NOSNIFF "Content-Length: %zu", strlen(argv[0]));
    ask("GET /debug/pprof/cmdline?debug=1&seconds=9", "", OK, headers, argv[0]);
    ask("GET /debug/pprof/%63mdline", "", OK, headers, argv[0]);
    ask("HEAD /debug/pprof/cmdline", "", OK, headers, "");

    int fd = dial();
    say(fd, "GET /debug/pprof/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 47);
    hear(fd, false);
    CHECK(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    CHECK(strstr(answer, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    CHECK(strstr(answer, "<title>/debug/pprof/</title>"));
    CHECK(strstr(answer, "Set debug=1 as a query parameter to export in legacy text format"));
    CHECK(strstr(answer, "Types of profiles available:"));
    CHECK(strstr(answer, "<tr><td>0</td><td><a href='cmdline?debug=1'>cmdline</a></td></tr>"));
    CHECK(strstr(answer, "<tr><td>0</td><td><a href='profile?debug=1'>profile</a></td></tr>"));
    CHECK(strstr(answer, "<tr><td>0</td><td><a href='symbol?debug=1'>symbol</a></td></tr>"));
    CHECK(strstr(answer, "Profile Descriptions:"));
    CHECK(strstr(answer, "<th scope=\"row\">Rate</th><td>100 Hz, "));
    CHECK(strstr(answer, "<td class=\"bad\">33 ticks found no room: the ring was full</td>"));
    /* Kept alive, and pipelined: two requests in one packet, the second in two. */
    static const char two[] = "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /debug/pprof/cmdline HT",
                      rest[] = "TP/1.1\r\nHost: localhost\r\n\r\n";
    say(fd, two, sizeof two - 1);
    hear(fd, false);
    expect("pipelined 1", NOT_FOUND, NO_PAGE, "404 page not found\n");
    say(fd, rest, sizeof rest - 1);
    hear(fd, true);
    expect("pipelined 2", OK, headers, "");
    close(fd);
    stop();
}

static void symbols(void)
{
    serve();
    ask("GET /debug/pprof/symbol", "", OK, PLAIN NOSNIFF "Content-Length: 15", "num_symbols: 1\n");
    ask("HEAD /debug/pprof/symbol?0x1000", "", OK, PLAIN NOSNIFF "Content-Length: 33", "");
    ask("GET /debug/pprof/symbol?0x1000+0x1000", "", OK, PLAIN NOSNIFF "Content-Length: 51",
        "num_symbols: 1\n0x1000 outer(int)\n0x1000 outer(int)\n");
    /* other bases, raw names, empty names, a forged line, and words that are skipped */
    ask("GET "
        "/debug/pprof/"
        "symbol?4096+010000+0X2000+0x3000+0x4000+0x9000+zz+0+0x+09+0x1_000+0x1__000+_1+++1000g+%2B+0x1000%2B",
        "", OK, PLAIN NOSNIFF "Content-Length: 99",
        "num_symbols: 1\n0x1000 outer(int)\n0x1000 outer(int)\n0x2000 raw\n0x3000 a?b\n0x4000 \n0x1000 outer(int)\n");
    char post[9000], more[9500];
    ask("POST /debug/pprof/symbol", "Content-Length: 13\r\n\r\n0x1000+0x2000", OK, PLAIN NOSNIFF "Content-Length: 44",
        "num_symbols: 1\n0x1000 outer(int)\n0x2000 raw\n");
    ask("POST /debug/pprof/symbol", "Transfer-Encoding: chunked\r\n\r\n6\r\n0x1000\r\n7\r\n+0x2000\r\n0\r\n\r\n", OK,
        PLAIN NOSNIFF "Connection: close\nContent-Length: 44", "num_symbols: 1\n0x1000 outer(int)\n0x2000 raw\n");
    ask("POST /debug/pprof/symbol?0x1000", "Content-Length: 0\r\n", OK, PLAIN NOSNIFF "Content-Length: 15",
        "num_symbols: 1\n");
    /* 4095 characters and a '+' fit, 4096 do not */
    for (int n = 4095; n <= 4096; n++) {
        memset(post, '0', sizeof post);
        memcpy(post + n, "+0x1000", 8);
        snprintf(more, sizeof more, "Content-Length: %zu\r\n\r\n%s", strlen(post), post);
        if (n == 4095)
            ask("POST /debug/pprof/symbol", more, OK, PLAIN NOSNIFF "Content-Length: 33",
                "num_symbols: 1\n0x1000 outer(int)\n");
        else
            ask("POST /debug/pprof/symbol", more, OK, PLAIN NOSNIFF "Content-Length: 51",
                "num_symbols: 1\nreading request: bufio: buffer full\n");
    }
    stop();
}

#define PROFILE                                                                                                        \
    NOSNIFF "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"profile\"\n"

static void profiles(void)
{
    serve();
    int64_t start = now_ms();
    ask("GET /debug/pprof/profile?seconds=1", "", OK, PROFILE "Content-Length: 13", "profile bytes");
    CHECK(now_ms() - start >= 1000);
    ask("HEAD /debug/pprof/profile?seconds=%2B1&seconds=30", "", OK, PROFILE "Content-Length: 13", "");
    CHECK_INT(captures_finished, 2);
    capture_refuses = true;
    ask("GET /debug/pprof/profile?seconds=1", "", "HTTP/1.1 500 Internal Server Error",
        PLAIN NOSNIFF "X-Go-Pprof: 1\nContent-Length: 49", "Could not enable CPU profiling: SIGPROF is taken\n");
    capture_refuses = false;
    finish_fails = true;
    ask("GET /debug/pprof/profile?seconds=1", "", "HTTP/1.1 500 Internal Server Error",
        PLAIN NOSNIFF "X-Go-Pprof: 1\nContent-Length: 49", "Could not finish CPU profiling: no memory for it\n");
    finish_fails = false;

    /* What is not a positive integer means 30: the window is still open when the client leaves. */
    static const char *const thirty[] = {"",
                                         "?seconds=0.1",
                                         "?seconds=-1",
                                         "?seconds=0",
                                         "?seconds=abc",
                                         "?seconds=+1",
                                         "?seconds=99999999999999999999",
                                         "?seconds=1;",
                                         "?seconds=9223372036854775807"};
    int fds[9];
    int cancelled = captures_cancelled;
    for (int i = 0; i < 9; i++) {
        char request[200];
        snprintf(request, sizeof request, "GET /debug/pprof/profile%s HTTP/1.1\r\nHost: localhost\r\n\r\n", thirty[i]);
        fds[i] = dial();
        say(fds[i], request, strlen(request));
    }
    wait_for(&captures_open, 9);
    struct pollfd none[9];
    for (int i = 0; i < 9; i++)
        none[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    CHECK_INT(poll(none, 9, 1300), 0);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
    wait_for(&captures_open, 0);
    CHECK_INT(captures_cancelled - cancelled, 9);
    stop();
}

/* Many windows at once; some clients leave while theirs is open, some while it is being encoded. */
static void many_windows(void)
{
    enum { N = 60 };
    int fds[N], cancelled = captures_cancelled, finished = captures_finished;
    static const char request[] =
        "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    serve();
    finish_waits = true;
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        say(fds[i], request, sizeof request - 1);
    }
    wait_for(&captures_open, N);
    for (int i = 0; i < N; i += 3)
        close(fds[i]);
    wait_for(&captures_cancelled, cancelled + N / 3);
    wait_for(&finishing, 1); /* one in the worker, the others in its queue */
    for (int i = 1; i < N; i += 3)
        close(fds[i]);
    finish_waits = false;
    for (int i = 2; i < N; i += 3) {
        hear(fds[i], false);
        expect("parallel window", OK, PROFILE "Connection: close\nContent-Length: 13", "profile bytes");
        close(fds[i]);
    }
    wait_for(&captures_open, 0);
    CHECK_INT(captures_cancelled + captures_finished - cancelled - finished, N);

    /* Stopping with windows open, one job running and jobs waiting. */
    finish_waits = true;
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
        say(fds[i], request, sizeof request - 1);
        if (i == 3)
            wait_for(&finishing, 1);
    }
    wait_for(&captures_open, 8);
    finish_waits = false;
    stop();
    for (int i = 0; i < 8; i++) {
        CHECK(hung_up(fds[i]));
        close(fds[i]);
    }
}

/* A client that shuts down its sending half still gets a short answer; one that pipelines without end loses
 * its connection; one that leaves an answer unread loses it too. */
static void odd_clients(void)
{
    serve();
    for (int i = 0; i < 50; i++) {
        int fd = dial();
        say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
        shutdown(fd, SHUT_WR);
        hear(fd, false);
        expect("half closed", NOT_FOUND, NO_PAGE, "404 page not found\n");
        CHECK(hung_up(fd));
        close(fd);
    }
    int cancelled = captures_cancelled;
    int fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=20 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    wait_for(&captures_open, 1);
    char chunk[4096] = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    for (int i = 0; i < 10000 && say(fd, chunk, sizeof chunk); i++)
        ;
    wait_for(&captures_cancelled, cancelled + 1);
    close(fd);

    /* the same, reset instead of closed */
    fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=20 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    wait_for(&captures_open, 1);
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    wait_for(&captures_open, 0);

    /* requests that come while one is answered wait their turn */
    static const char three[] = "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /foo "
                                "HTTP/1.1\r\nHost: localhost\r\n\r\nGET "
                                "/debug/pprof/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    fd = dial();
    say(fd, three, 77);
    wait_for(&captures_open, 1);
    say(fd, three + 77, sizeof three - 1 - 77);
    answer_n = 0;
    answer[0] = '\0';
    while (!strstr(answer, "Unknown profile\n") && hear_some(fd))
        ;
    char *first = strstr(answer, "profile bytes"), *second = strstr(answer, "404 page not found"),
         *third = strstr(answer, "Unknown profile");
    CHECK(first && second && third && first < second && second < third);
    close(fd);
    stop();
}

static void refused(const char *what, const char *request, size_t n, const char *want)
{
    int fd = dial();
    say(fd, request, n);
    hear(fd, false);
    char status[100];
    snprintf(status, sizeof status, "HTTP/1.1 %s", want);
    expect(what, status, PLAIN NOSNIFF "Connection: close", want);
    close(fd);
}

static void garbage(void)
{
    serve();
    refused("garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15, "400 Bad Request");
    refused("no version", "GET /\r\n\r\n", 9, "400 Bad Request");
    refused("version 2", "GET / HTTP/2.0\r\n\r\n", 18, "505 HTTP Version Not Supported");
    refused("no colon", "GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n", 45, "400 Bad Request");
    refused("bad length", "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: -4\r\n\r\n", 75,
            "400 Bad Request");
    refused("expect",
            "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nExpect: cake\r\nContent-Length: 4\r\n\r\n0x10", 92,
            "417 Expectation Failed");
    static char big[3 << 20];
    memset(big, 'a', sizeof big);
    memcpy(big, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 36);
    refused("long header", big, 200 << 10, "431 Request Header Fields Too Large");
    memcpy(big, "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 36);
    refused("long request line", big, 200 << 10, "414 Request URI Too Long");
    char *p = big + sprintf(big, "GET / HTTP/1.1\r\nHost: localhost\r\n");
    while (p < big + (100 << 10))
        p += sprintf(p, "X-%ld: y\r\n", (long)(p - big));
    refused("many headers", big, (size_t)(p - big), "431 Request Header Fields Too Large");
    int n = sprintf(big, "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", 2 << 20);
    memset(big + n, '0', 10);
    refused("long body", big, (size_t)n + (2 << 20), "413 Request Entity Too Large");
    n = sprintf(
        big, "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n");
    refused("long chunk", big, (size_t)n, "413 Request Entity Too Large");
    n = sprintf(
        big,
        "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n");
    int fd = dial();
    say(fd, big, (size_t)n);
    hear(fd, true);
    CHECK(strncmp(answer, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    say(fd, "0x1000", 6);
    hear(fd, false);
    expect("continue", OK, PLAIN NOSNIFF "Content-Length: 33", "num_symbols: 1\n0x1000 outer(int)\n");
    close(fd);
    /* random bytes, cut anywhere: any answer will do, and afterwards the server still serves */
    unsigned seed = 1;
    for (int i = 0; i < 300; i++) {
        size_t len = (size_t)(rand_r(&seed) % 400);
        for (size_t k = 0; k < len; k++)
            big[k] = rand_r(&seed) % 6 ? (char)rand_r(&seed) : "\r\n /:G"[rand_r(&seed) % 6];
        fd = dial();
        say(fd, big, len);
        shutdown(fd, SHUT_WR);
        while (hear_some(fd))
            answer_n = 0;
        close(fd);
    }
    static const char seedling[] = "POST /debug/pprof/symbol?a=b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                                   "chunked\r\n\r\n3\r\n0x1\r\n0\r\n\r\n";
    for (int i = 0; i < 600; i++) {
        memcpy(big, seedling, sizeof seedling);
        for (int k = 0; k < 3; k++)
            big[(size_t)rand_r(&seed) % (sizeof seedling - 1)] = (char)rand_r(&seed);
        fd = dial();
        say(fd, big, sizeof seedling - 1);
        shutdown(fd, SHUT_WR);
        answer_n = 0;
        while (hear_some(fd))
            answer_n = 0;
        close(fd);
    }
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    stop();
}

static void limits(void)
{
    struct http_limits usual = http_limits;
    http_limits.request_ns = 300 * MS;
    http_limits.stall_ns = 300 * MS;
    http_limits.peers = 4;
    serve();
    /* idle, and one byte now and then: neither gets more time than the other */
    int idle = dial(), slow = dial();
    int64_t start = now_ms();
    say(slow, "GET /", 5);
    while (now_ms() - start < PATIENCE_MS) {
        struct pollfd p = {.fd = slow, .events = POLLIN};
        if (poll(&p, 1, 20) || !say(slow, "x", 1))
            break;
    }
    CHECK(now_ms() - start >= 290 && now_ms() - start < PATIENCE_MS);
    CHECK(hung_up(slow));
    CHECK(hung_up(idle));
    close(idle);
    close(slow);

    /* an answer larger than what sockets buffer, to a client that does not read it */
    finish_bytes = 8 << 20;
    int small = 4096, fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    int finished = captures_finished;
    say(fd, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 64);
    wait_for(&captures_finished, finished + 1);
    struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
    CHECK_INT(poll(&gone, 1, PATIENCE_MS), 1);
    close(fd);
    finish_bytes = 0;

    /* no more than four at once; the fifth is served when one of them leaves */
    int held[4];
    http_limits.request_ns = usual.request_ns;
    for (int i = 0; i < 4; i++) {
        held[i] = dial();
        say(held[i], "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    }
    wait_for(&captures_open, 4);
    fd = dial();
    say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
    struct pollfd none = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&none, 1, 200), 0);
    close(held[2]);
    hear(fd, false);
    expect("the fifth", NOT_FOUND, NO_PAGE, "404 page not found\n");
    close(fd);
    for (int i = 0; i < 4; i++)
        if (i != 2)
            close(held[i]);
    wait_for(&captures_open, 0);

    /* of four that only idle, or are slow with their request, the one that does so longest goes */
    for (int i = 0; i < 4; i++) {
        held[i] = dial();
        say(held[i], "GET /fo", (size_t)i * 2);
    }
    for (int i = 0; i < 2; i++) {
        fd = dial();
        say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 57);
        hear(fd, false);
        expect("one more", NOT_FOUND, NO_PAGE "\nConnection: close", "404 page not found\n");
        CHECK(hung_up(fd));
        close(fd);
    }
    CHECK(hung_up(held[0]));
    for (int i = 0; i < 4; i++)
        close(held[i]);

    /* answers that take their time leave room for those that do not */
    http_limits.waiting = 2;
    for (int i = 0; i < 2; i++) {
        held[i] = dial();
        say(held[i], "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    }
    wait_for(&captures_open, 2);
    ask("GET /debug/pprof/profile?seconds=60", "", "HTTP/1.1 503 Service Unavailable",
        PLAIN NOSNIFF "X-Go-Pprof: 1\nContent-Length: 48", "Too many requests are waiting for their answers\n");
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    CHECK_INT(captures_open, 2);
    close(held[0]);
    close(held[1]);
    wait_for(&captures_open, 0);

    /* all connections together must not hold more unread bytes than this */
    http_limits.input_bytes = 100 << 10;
    fd = dial();
    static char body[300 << 10] =
        "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    say(fd, body, sizeof body);
    CHECK(hung_up(fd));
    close(fd);
    stop();
    http_limits = usual;
}

static void life_cycle(void)
{
    struct reason why = {0};
    char text[ADDRESS_ROOM], again[2 * ADDRESS_ROOM];
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
    CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_NOT_RUNNING);
    CHECK_INT(server_start(SERVER_INSIDE, "0.0.0.0:0", &why), STATUS_DENIED);
    CHECK_INT(server_start(SERVER_INSIDE, "nonsense", &why), STATUS_ADDRESS);
    serve();
    server_address(SERVER_INSIDE, text, sizeof text);
    CHECK_INT(server_start(SERVER_INSIDE, ":0", &why), STATUS_BUSY);
    CHECK(strstr(why.text, text));
    stop();
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    bind(taken, (struct sockaddr *)&a, sizeof a);
    listen(taken, 1);
    getsockname(taken, (struct sockaddr *)&a, &len);
    snprintf(text, sizeof text, "%d", ntohs(a.sin_port));
    CHECK_INT(server_start(SERVER_INSIDE, text, &why), STATUS_IN_USE);
    snprintf(again, sizeof again, "127.0.0.1:%s is in use", text);
    CHECK_STR(why.text, again);
    close(taken);
    /* the port is free again at once after a stop, connections or not */
    CHECK_INT(server_start(SERVER_INSIDE, text, &why), STATUS_OK);
    port = (uint16_t)atoi(text);
    int fd = dial();
    say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
    hear(fd, false);
    stop();
    CHECK(hung_up(fd));
    close(fd);
    CHECK_INT(server_start(SERVER_INSIDE, text, &why), STATUS_OK);
    stop();

    int before = count_fds();
    for (int i = 0; i < 200; i++) {
        serve();
        if (i % 3 == 0)
            ask("GET /debug/pprof/symbol?0x1000", "", OK, PLAIN NOSNIFF "Content-Length: 33",
                "num_symbols: 1\n0x1000 outer(int)\n");
        if (i % 5 == 0) {
            fd = dial();
            say(fd, "GET /debug/pprof/profile HTTP/1.1\r\nHost: localhost\r\n\r\n", 54);
            if (i % 2)
                wait_for(&captures_open, 1);
        }
        stop();
        if (i % 5 == 0)
            close(fd);
    }
    CHECK_INT(count_fds(), before);
}

/* No descriptor left at the process's limit: an error, not an exit, and nothing is leaked. */
static void no_descriptors(void)
{
    struct rlimit usual, tight;
    getrlimit(RLIMIT_NOFILE, &usual);
    int before = count_fds();
    for (int spare = 0; spare < 8; spare++) {
        int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(lowest);
        tight = usual;
        tight.rlim_cur = (rlim_t)(lowest + spare);
        setrlimit(RLIMIT_NOFILE, &tight);
        struct reason why = {0};
        enum status s = server_start(SERVER_INSIDE, ":0", &why);
        if (s)
            CHECK(s == STATUS_SYSTEM && *why.text);
        else
            stop();
        setrlimit(RLIMIT_NOFILE, &usual);
    }
    CHECK_INT(count_fds(), before);

    /* running out while serving: accepting rests, then goes on */
    struct http_limits saved = http_limits;
    http_limits.pause_ns = 20 * MS;
    serve();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tight = usual;
    tight.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &tight);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
    struct pollfd none = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&none, 1, 100), 0);
    setrlimit(RLIMIT_NOFILE, &usual);
    hear(fd, false);
    expect("after a pause", NOT_FOUND, NO_PAGE, "404 page not found\n");
    close(fd);
    stop();
    http_limits = saved;
}

/* Until every other thread sleeps: the allocators of the sanitizers, unlike glibc's, do not survive a fork in
 * the middle of a call of another thread. */
static void quiet(void)
{
    int64_t end = now_ms() + PATIENCE_MS;
    for (bool busy = true; busy && now_ms() < end; usleep(500)) {
        busy = false;
        DIR *d = opendir("/proc/self/task");
        for (struct dirent *e; (e = readdir(d));) {
            char path[300], line[400] = "";
            snprintf(path, sizeof path, "/proc/self/task/%s/stat", e->d_name);
            FILE *f = atoi(e->d_name) > 0 && atoi(e->d_name) != gettid() ? fopen(path, "re") : NULL;
            if (!f)
                continue;
            char *name_end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
            busy = busy || (name_end && name_end[2] != 'S');
            fclose(f);
        }
        closedir(d);
    }
}

/* In a child of its own, whose exit status is the number of failures there. */
static void in_child(void (*body)(void))
{
    fflush(NULL);
    quiet();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        check_failures = 0;
        body();
        _exit(check_failures > 100 ? 100 : check_failures);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
}

static int fds_of_server; /* without the parent's server, and with one client */

static void after_fork(void)
{
    char text[ADDRESS_ROOM];
    uint16_t parents = port;
    CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_NOT_RUNNING);
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
    CHECK_INT(count_fds(), fds_of_server);
    serve();
    CHECK(port != parents);
    ask("GET /debug/pprof/symbol?0x1000", "", OK, PLAIN NOSNIFF "Content-Length: 33",
        "num_symbols: 1\n0x1000 outer(int)\n");
    ask("GET /debug/pprof/profile?seconds=1", "", OK, PROFILE "Content-Length: 13", "profile bytes");
    server_stop(SERVER_INSIDE);
    CHECK_INT(count_fds(), fds_of_server);
}

static void raw_fork(void)
{
    char text[ADDRESS_ROOM];
    quiet();
    pid_t pid = _Fork();
    if (pid == 0) {
        CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_NOT_RUNNING);
        serve();
        server_stop(SERVER_INSIDE);
        _exit(check_failures);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
}

static void forks(void)
{
    int client;
    fds_of_server = count_fds();
    serve();
    client = dial();
    fds_of_server++;
    say(client, "GET /debug/pprof/profile?seconds=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", 64);
    wait_for(&captures_open, 1);
    in_child(after_fork);
#ifndef __SANITIZE_THREAD__ /* TSan follows no fork that passes it by */
    raw_fork();
#endif
    (void)raw_fork;
    /* the parent notices nothing, and its client is only connected to it */
    hear(client, false);
    expect("the parent's client", OK, PROFILE "Content-Length: 13", "profile bytes");
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    stop();
    CHECK(hung_up(client));
    close(client);
}

/* ---- where the descriptors are ---- */

static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

/* A host that knows which number its next descriptor has, and one that closes what it does not know: the one sees no
 * difference, the other does no harm. */
static void nothing_in_the_hosts_table(void)
{
    int before = count_fds(), next = next_fd();
    serve();
    CHECK_INT(next_fd(), next);
    CHECK_INT(count_fds(), before);
    int client = dial();
    CHECK_INT(client, next);
    int finished = captures_finished;
    say(client, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 64);
    wait_for(&captures_open, 1);
    CHECK_INT(count_fds(), before + 1);
    int kept = dup2(client, 2000) == 2000 ? 2000 : -1;
    for (int fd = 3; fd < 4096; fd++)
        if (fd != kept)
            syscall(SYS_close, fd);
    for (int i = 0; i < 20; i++)
        ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    hear(kept, false);
    expect("begun before", OK, PROFILE "Content-Length: 13", "profile bytes");
    CHECK_INT(captures_finished, finished + 1);
    stop();
}

static void without_close_range(void)
{
    refuse_close_range(false);
    nothing_in_the_hosts_table();
}

/* ---- a loop that does not come by ---- */

static enum status serve_outside_too(char text[ADDRESS_ROOM], struct reason *why)
{
    enum status s = server_start(SERVER_OUTSIDE, ":0", why);
    if (s == STATUS_OK)
        CHECK_INT(server_address(SERVER_OUTSIDE, text, ADDRESS_ROOM), STATUS_OK);
    return s;
}

/* Who wakes the loop is the worker, and it can be busy for seconds. */
static void busy_worker(void)
{
    struct reason why = {0};
    char text[ADDRESS_ROOM];
    serve();
    finish_waits = true;
    int fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 64);
    wait_for(&finishing, 1);
    int64_t start = now_ms();
    for (int i = 0; i < 10; i++) {
        CHECK_INT(serve_outside_too(text, &why), STATUS_OK);
        CHECK_INT(server_stop(SERVER_OUTSIDE), STATUS_OK);
    }
    CHECK(now_ms() - start < PATIENCE_MS / 2);
    /* what those want who leave before their turn is not done: with thousands of them nobody else would get his */
    for (int i = 0; i < 3; i++) {
        int left = dial();
        say(left, "GET /debug/pprof/symbol?0x1000 HTTP/1.1\r\nHost: localhost\r\n\r\n", 60);
        ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
        close(left);
    }
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    int looked_up_before = looked_up;
    finish_waits = false;
    hear(fd, false);
    expect("meanwhile", OK, PROFILE "Content-Length: 13", "profile bytes");
    close(fd);
    ask("HEAD /debug/pprof/symbol?0x1000", "", OK, PLAIN NOSNIFF "Content-Length: 33", "");
    CHECK_INT(looked_up, looked_up_before + 1);
    stop();
}

/* The answer comes too late: what was opened by then must not stay open, and the next one is served. */
static void late_listener(void)
{
    struct reason why = {0};
    char text[ADDRESS_ROOM];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int free_port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(free_port, (struct sockaddr *)&a, sizeof a) == 0 &&
          getsockname(free_port, (struct sockaddr *)&a, &len) == 0);
    close(free_port);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(a.sin_port));

    serve();
    http_limits.open_ns = 50 * MS;
    start_waits = true;
    int fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    wait_for(&starting, 1);
    CHECK_INT(server_start(SERVER_OUTSIDE, text, &why), STATUS_SYSTEM);
    CHECK_STR(why.text, "the server's thread does not answer");
    start_waits = false;
    http_limits.open_ns = PATIENCE_MS * MS;
    wait_for(&captures_open, 1);
    CHECK_INT(server_start(SERVER_OUTSIDE, text, &why), STATUS_OK); /* nobody else listens there */
    CHECK_INT(server_stop(SERVER_OUTSIDE), STATUS_OK);
    close(fd);
    stop();
}

static _Atomic bool eventfd_waits;

/* The first thing the loop's thread does. */
int eventfd(unsigned value, int flags)
{
    while (eventfd_waits)
        usleep(1000);
    return (int)syscall(SYS_eventfd2, value, flags);
}

static void late_loop(void)
{
    struct reason why = {0};
    char text[ADDRESS_ROOM];
    http_limits.open_ns = 50 * MS;
    eventfd_waits = true;
    CHECK_INT(server_start(SERVER_INSIDE, ":0", &why), STATUS_SYSTEM);
    CHECK_INT(server_start(SERVER_INSIDE, ":0", &why), STATUS_BUSY);
    CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_NOT_RUNNING);
    eventfd_waits = false;
    server_stop(SERVER_INSIDE); /* waits for what is still ending */
    http_limits.open_ns = PATIENCE_MS * MS;
    serve();
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    stop();
}

/* Whoever forks while another thread waits for the loop waits with it, and not for ever. */
static _Atomic bool asking;

static void *serve_and_stop(void *unused)
{
    (void)unused;
    while (asking) {
        server_start(SERVER_OUTSIDE, ":0", NULL);
        server_stop(SERVER_OUTSIDE);
    }
    return NULL;
}

static void forks_while_asking(void)
{
    pthread_t asker;
    asking = true;
    pthread_create(&asker, NULL, serve_and_stop, NULL);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            char text[ADDRESS_ROOM];
            _exit(server_address(SERVER_OUTSIDE, text, sizeof text) != STATUS_NOT_RUNNING);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        CHECK_INT(status, 0);
    }
    asking = false;
    pthread_join(asker, NULL);
}

/* ---- in the host's table, where there is no other ---- */

/* A host that closes what it finds, and gives the numbers to descriptors of its own: by raw system calls, since
 * this is the race that TSan would report. */
static int highest_listener(void)
{
    int found = -1, on;
    socklen_t len = sizeof on;
    for (int fd = 3; fd < 1100; fd++) {
        len = sizeof on;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on)
            found = fd;
    }
    return found;
}

static void wait_until_off(void)
{
    char text[ADDRESS_ROOM];
    int64_t end = now_ms() + PATIENCE_MS;
    while (server_address(SERVER_INSIDE, text, sizeof text) == STATUS_OK && now_ms() < end)
        usleep(1000);
    CHECK_INT(server_address(SERVER_INSIDE, text, sizeof text), STATUS_NOT_RUNNING);
    server_stop(SERVER_INSIDE); /* waits until it has put everything away */
}

static void host_takes_listener(void)
{
    refuse_close_range(true);
    serve();
    int ours = highest_listener();
    CHECK(ours >= 960); /* out of the range that hosts close and reuse */
    int fd = dial();
    say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
    hear(fd, false);
    int theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listen(theirs, 5);
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    getsockname(theirs, (struct sockaddr *)&a, &len);
    CHECK_INT(syscall(SYS_dup3, theirs, ours, 0), ours);
    port = ntohs(a.sin_port);
    int client = dial(); /* into the host's backlog */
    say(fd, "GET /foo HTTP/1.1\r\nHost: localhost\r\n\r\n", 38);
    wait_until_off();
    CHECK(accept(ours, NULL, NULL) >= 0); /* neither closed nor emptied by us */
    close(client);
    serve();
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    server_stop(SERVER_INSIDE);
}

static void host_takes_connection(void)
{
    refuse_close_range(true);
    serve();
    int pair[2], fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    wait_for(&captures_open, 1);
    struct sockaddr_in mine, other;
    socklen_t len = sizeof mine;
    getsockname(fd, (struct sockaddr *)&mine, &len);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    int ours = -1;
    for (int k = 3; k < 1100; k++) {
        len = sizeof other;
        if (k != fd && getpeername(k, (struct sockaddr *)&other, &len) == 0 && other.sin_family == AF_INET &&
            other.sin_port == mine.sin_port)
            ours = k;
    }
    CHECK(ours > 0);
    syscall(SYS_dup3, pair[0], ours, 0);
    say(pair[1], "private", 7);
    /* Wakes the server, which must now neither read from nor close that number. */
    close(dial());
    wait_until_off();
    CHECK_INT(captures_open, 0);
    char got[8] = "";
    CHECK_INT(recv(ours, got, 7, MSG_DONTWAIT), 7);
    CHECK_STR(got, "private");
    CHECK_INT(send(pair[1], "x", 1, MSG_NOSIGNAL), 1);
}

static void host_closes_all(void)
{
    refuse_close_range(true);
    serve();
    int fd = dial();
    say(fd, "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", 65);
    wait_for(&captures_open, 1);
    for (int k = 3; k < 4096; k++)
        syscall(SYS_close, k);
    /* The connection's client went with the rest, which wakes the loop if it slept. */
    wait_until_off();
    CHECK_INT(captures_open, 0);
    CHECK_INT(count_fds(), 6); /* 0, 1, 2, the directory, "." and ".." */
    serve();
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    server_stop(SERVER_INSIDE);
}

/* A listener that is still ours but only fails: no spinning, and an end to it. */
static void host_breaks_listener(void)
{
    struct timespec before, after;
    refuse_close_range(true);
    http_limits.pause_ns = 20 * MS;
    serve();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    shutdown(highest_listener(), SHUT_RDWR);
    wait_until_off();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
    serve();
    ask("GET /foo", "", NOT_FOUND, NO_PAGE, "404 page not found\n");
    server_stop(SERVER_INSIDE);
}

static void hostile_hosts(void)
{
    in_child(host_breaks_listener);
    in_child(host_takes_listener);
    in_child(host_takes_connection);
    in_child(host_closes_all);
}

int main(int argc, char **argv)
{
    (void)argc;
    alarm(300);
    paths();
    hosts();
    cmdline_and_index(argv);
    symbols();
    profiles();
    many_windows();
    odd_clients();
    garbage();
    limits();
    life_cycle();
    no_descriptors();
    forks();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their allocators: see quiet() */
    forks_while_asking();
#endif
    (void)forks_while_asking;
    busy_worker();
    in_child(late_listener);
    in_child(late_loop);
    in_child(nothing_in_the_hosts_table);
    in_child(without_close_range);
    hostile_hosts();
    return check_done();
}
