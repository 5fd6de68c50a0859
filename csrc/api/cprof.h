/*
 * cprof: Go's /debug/pprof for C and C++ programs.
 *
 *     #include <cprof.h>
 *     int main(void)
 *     {
 *         cprof_serve("127.0.0.1:6060");
 *         ...
 *     }
 *
 *     cc app.c $(cprof config --cflags --libs)        or: pkg-config --cflags --libs cprof
 *     go tool pprof http://127.0.0.1:6060/debug/pprof/profile?seconds=5
 *     cprof top http://127.0.0.1:6060
 *
 * A program that is linked but calls nothing is switched on by its environment: CPROF_HTTP=127.0.0.1:6060
 * (or 1, 6060, :6060, localhost:6060), with CPROF_ALLOW_REMOTE, CPROF_TOKEN_FILE and CPROF_ALLOW_HOST for what
 * struct cprof_serve_options says. Until something is switched on there is no thread, no signal handler, no
 * socket, and the library that does the work is not even loaded.
 *
 * Every function may be called from any thread, but not from a signal handler. Those that can fail return 0 or a
 * positive result on success and a negative enum cprof_status otherwise; cprof_last_error() then has a sentence.
 * No function here prints, aborts or exits; only the environment's switch, when it cannot serve, says so in one line on
 * stderr (CPROF_LOG=off or a file's name changes that). CPROF_DISABLE=1 in the environment makes every switch return
 * CPROF_ERR_DISABLED; compiling with -DCPROF_DISABLE turns the calls into nothing at all.
 */
#ifndef CPROF_H
#define CPROF_H

#include <stddef.h>

#define CPROF_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

enum cprof_status {
    CPROF_OK = 0,
    CPROF_ERR_NOMEM = -1,
    CPROF_ERR_INVALID = -2,   /* an argument is out of its range */
    CPROF_ERR_BUSY = -3,      /* already running */
    CPROF_ERR_IN_USE = -4,    /* the address is taken by another socket */
    CPROF_ERR_ADDRESS = -5,   /* the address cannot be read or does not resolve */
    CPROF_ERR_DENIED = -6,    /* not allowed: beyond loopback, or by the kernel */
    CPROF_ERR_SYSTEM = -7,    /* the kernel refused */
    CPROF_ERR_MALFORMED = -8, /* not a valid profile */
    CPROF_ERR_TOO_BIG = -9,
    CPROF_ERR_NOT_RUNNING = -10,
    CPROF_ERR_DISABLED = -11, /* CPROF_DISABLE is set */
    CPROF_ERR_UNSUPPORTED = -12,
    CPROF_ERR_NO_CORE = -13 /* libcprof_core.so is missing or of another version */
};

/*
 * cprof's pages behind a server of the program's own. Set size to sizeof(struct cprof_http_request), what is not needed
 * to 0. Whoever serves decides who may ask.
 */
struct cprof_http_request {
    size_t size;
    const char *method; /* "GET" */
    const char *target; /* path and query as they came: "/debug/pprof/heap?debug=1" */
    const void *body;
    size_t body_bytes;
    int (*gone)(void *arg); /* NULL, or: has the client left? Asked now and then while a profile is taken */
    void *arg;
};

/* Set size; the rest is filled, and given back by cprof_http_response_free. */
struct cprof_http_response {
    size_t size;
    int status;          /* 200 */
    const char *headers; /* "Content-Type: text/plain\r\n", ...; Content-Length is the server's business */
    const void *body;
    size_t body_bytes;
    void *own; /* cprof's */
};

#ifndef CPROF_DISABLE

/*
 * Starts the debug server: GET /debug/pprof/ and what it lists. addr is "host:port", ":port", "port", "[::1]:port" or
 * "unix:/path"; port 0 picks a free one; NULL and "1" mean 127.0.0.1:6060. Loopback only (beyond it:
 * cprof_serve_with); a unix socket is for its user
 * (mode 0600), and what an ended process left in its place is replaced. The server has its own threads, with all
 * signals blocked. CPROF_ERR_BUSY where the program has one already; one that was asked for from outside (CPROF_HTTP,
 * `cprof run`) does not count, and cprof_close() does not end it.
 */
int cprof_serve(const char *addr);

/*
 * The same with more said:
 *
 *     struct cprof_serve_options options = {
 *         .size = sizeof options, .addr = "0.0.0.0:6060", .allow_remote = 1, .token_file = "/etc/app/cprof.token"};
 *     cprof_serve_with(&options);
 *
 * What is left out is zero. NULL is cprof_serve(NULL).
 */
struct cprof_serve_options {
    size_t size;            /* sizeof(struct cprof_serve_options) */
    const char *addr;       /* as cprof_serve has it; without a host it is loopback in any case */
    int allow_remote;       /* an address beyond loopback is meant so; it needs a token */
    const char *token;      /* 16 to 255 printable characters without blanks. Clients send it as a bearer or as the */
    const char *token_file; /* password of any user; the file has it as its one line, and is not readable by others */
    int without_token;      /* beyond loopback, and whoever can connect may look */
    const char *allow_host; /* "a.example,b.example": names that clients may call this server by */
};
int cprof_serve_with(const struct cprof_serve_options *options);

/* Where the server listens, "127.0.0.1:6060" or "unix:/path"; where the program has none, that of the one asked for
 * from outside; else NULL. Valid until cprof_close(). */
const char *cprof_serve_addr(void);

/* Stops the server; requests under way are cut. Returns when its threads have let go. */
int cprof_close(void);

/*
 * A CPU profile without a server: samples every thread, hz times per second of CPU time (0 = the set rate), until
 * cprof_cpu_stop(), which writes a gzipped pprof profile to fd. fd is duplicated: it may be closed meanwhile.
 */
int cprof_cpu_start(int fd, int hz);
int cprof_cpu_stop(void);

/* The rate of CPU profiles that name none, also CPROF_CPU_HZ; 100 by default, at most 10,000. Returns the old
 * one; 0 only reads. */
int cprof_set_cpu_hz(int hz);

/*
 * Answers a request for /debug/pprof/ and below, /debug/vars or /debug/metrics (404 for everything else), on the
 * calling thread: a CPU profile of 30 seconds takes 30 seconds. CPROF_ERR_NOT_RUNNING where gone() said that the client
 * left.
 */
int cprof_http_handle(const struct cprof_http_request *req, struct cprof_http_response *res);

/* The profile of that name ("heap", "profile", "cmdline", "symbol"; "" is the index) wherever it is mounted, and the
 * variables: of the target only the query is read. */
int cprof_http_handle_profile(const char *name, const struct cprof_http_request *req, struct cprof_http_response *res);
int cprof_http_handle_vars(const struct cprof_http_request *req, struct cprof_http_response *res);

void cprof_http_response_free(struct cprof_http_response *res);

/*
 * A page of the program's own on cprof's server: fn is called for a path, or with a slash at its end for everything
 * below, on a thread of cprof's. It writes the answer by cprof_http_write and cprof_http_set and returns its status
 * (200). One page is made at a time, and one that takes more than 2 s is answered by 503. fn NULL takes the page away;
 * it may be under way then. CPROF_ERR_IN_USE for cprof's own paths.
 */
int cprof_route(const char *path,
                int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg), void *arg);

/* Only for the response that a page was given. */
int cprof_http_set(struct cprof_http_response *res, const char *name, const char *value);
int cprof_http_write(struct cprof_http_response *res, const void *bytes, size_t n);

/* What the last failure in this process was, in one sentence; "" when there was none. Never NULL. */
const char *cprof_last_error(void);

/* The version of the library that was loaded; CPROF_VERSION is that of this header. */
const char *cprof_version(void);

#else /* CPROF_DISABLE */

static inline int cprof_serve(const char *addr)
{
    (void)addr;
    return CPROF_OK;
}
struct cprof_serve_options {
    size_t size;
    const char *addr;
    int allow_remote;
    const char *token;
    const char *token_file;
    int without_token;
    const char *allow_host;
};
static inline int cprof_serve_with(const struct cprof_serve_options *options)
{
    (void)options;
    return CPROF_OK;
}
static inline const char *cprof_serve_addr(void)
{
    return 0;
}
static inline int cprof_close(void)
{
    return CPROF_OK;
}
static inline int cprof_cpu_start(int fd, int hz)
{
    (void)fd;
    (void)hz;
    return CPROF_OK;
}
static inline int cprof_cpu_stop(void)
{
    return CPROF_OK;
}
static inline int cprof_set_cpu_hz(int hz)
{
    (void)hz;
    return 0;
}
static inline int cprof_http_handle(const struct cprof_http_request *req, struct cprof_http_response *res)
{
    (void)req;
    (void)res;
    return CPROF_ERR_DISABLED;
}
static inline int cprof_http_handle_profile(const char *name, const struct cprof_http_request *req,
                                            struct cprof_http_response *res)
{
    (void)name;
    return cprof_http_handle(req, res);
}
static inline int cprof_http_handle_vars(const struct cprof_http_request *req, struct cprof_http_response *res)
{
    return cprof_http_handle(req, res);
}
static inline void cprof_http_response_free(struct cprof_http_response *res)
{
    (void)res;
}
static inline int
cprof_route(const char *path,
            int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg), void *arg)
{
    (void)path;
    (void)fn;
    (void)arg;
    return CPROF_OK;
}
static inline int cprof_http_set(struct cprof_http_response *res, const char *name, const char *value)
{
    (void)res;
    (void)name;
    (void)value;
    return CPROF_OK;
}
static inline int cprof_http_write(struct cprof_http_response *res, const void *bytes, size_t n)
{
    (void)res;
    (void)bytes;
    (void)n;
    return CPROF_OK;
}
static inline const char *cprof_last_error(void)
{
    return "";
}
static inline const char *cprof_version(void)
{
    return CPROF_VERSION;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
