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
#include <stdint.h>

#define CPROF_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

enum cprof_status {
    CPROF_OK = 0,
    CPROF_ERR_NOMEM = -1,
    CPROF_ERR_INVALID = -2,   /* an argument is out of its range */
    CPROF_ERR_BUSY = -3,      /* already running */
    CPROF_ERR_IN_USE = -4,    /* the address is taken by another socket, the name by another variable */
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
 * cprof_serve_with); a unix socket is for its user (mode 0600), and what an ended process left in its place is
 * replaced. The server has its own threads, with all signals blocked. CPROF_ERR_BUSY where the program has one
 * already; one that was asked for from outside (CPROF_HTTP, `cprof run`) does not count, and cprof_close() does not
 * end it.
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

/* Stops the server; requests under way are cut. Returns when its threads have let go, but waits for no function of the
 * program's: a page or a variable's function that is under way goes on, and needs what it uses. Nor does it wait longer
 * than 2 s for names that are being looked up. */
int cprof_close(void);

/*
 * A CPU profile without a server: samples every thread, hz times per second of CPU time (0 = the set rate), until
 * cprof_cpu_stop(), which writes a gzipped pprof profile to fd. fd is duplicated: it may be closed meanwhile.
 */
int cprof_cpu_start(int fd, int hz);
int cprof_cpu_stop(void);

/* The rate of CPU profiles that name none, also CPROF_CPU_HZ; 100 by default. Returns the old one; 0 and less only
 * read, and what is beyond 10,000 is 10,000 (cprof_cpu_start refuses it). */
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
 * (200). It may be called by several threads at once. A page that takes more than 2 s is answered by 503. The longest
 * path wins, and cprof's own come first: what is below "/" or "/debug/" is the rest. path is as it reads when decoded.
 * fn NULL takes the page away; it may be under way then, so a library with pages must stay loaded.
 * CPROF_ERR_IN_USE for cprof's own paths and for one that has a page.
 */
int cprof_route(const char *path,
                int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg), void *arg);

/* Only for the response that a page was given. */
int cprof_http_set(struct cprof_http_response *res, const char *name, const char *value);
int cprof_http_write(struct cprof_http_response *res, const void *bytes, size_t n);

/*
 * Variables, for /debug/vars (JSON, as Go's expvar) and /debug/metrics (OpenMetrics). They need no server and no core:
 * publishing and counting are data of the program's own, at any time, in constructors too, whatever CPROF_DISABLE says.
 * Adding and setting take no lock and wait for nobody.
 *
 * A variable that cannot be made is NULL, which every function takes and does nothing with, as with a variable of
 * another kind. A name is published once: a second time is NULL or CPROF_ERR_IN_USE, and cprof_last_error() says
 * `Reuse of exported var name: NAME`. `cmdline`, `memstats` and `cprof` are taken from the start. With the name NULL a
 * variable is made for a map, or to be published later. Names, keys and texts may be any bytes; what is not UTF-8 shows
 * as U+FFFD.
 */
struct cprof_var;

struct cprof_var *cprof_int_new(const char *name);
void cprof_int_add(struct cprof_var *v, int64_t delta);
void cprof_int_set(struct cprof_var *v, int64_t value);
int64_t cprof_int_value(const struct cprof_var *v);

struct cprof_var *cprof_float_new(const char *name);
void cprof_float_add(struct cprof_var *v, double delta);
void cprof_float_set(struct cprof_var *v, double value);
double cprof_float_value(const struct cprof_var *v);

struct cprof_var *cprof_string_new(const char *name);
int cprof_string_set(struct cprof_var *v, const char *text);

/* Copies at most room - 1 bytes and a NUL; returns how long the text is. */
size_t cprof_string_value(const struct cprof_var *v, char *text, size_t room);

/* The number under key is made by the first addition; nothing happens to what is of another kind. */
struct cprof_var *cprof_map_new(const char *name);
int cprof_map_add(struct cprof_var *map, const char *key, int64_t delta);
int cprof_map_add_float(struct cprof_var *map, const char *key, double delta);
int cprof_map_set(struct cprof_var *map, const char *key, struct cprof_var *v); /* NULL: shows as null */
struct cprof_var *cprof_map_get(struct cprof_var *map, const char *key); /* to be given to cprof_var_free; or NULL */
void cprof_map_delete(struct cprof_var *map, const char *key);
void cprof_map_clear(struct cprof_var *map);

/*
 * A variable whose value fn writes when it is asked for: JSON, as snprintf writes text, at most room bytes with the
 * NUL. It returns the length that the whole has (and is called again with more room), or a negative number: null, like
 * what is not JSON. It is called on a thread of cprof's, never twice at once, and may take its time: who takes longer
 * than two seconds is null until it returns.
 */
struct cprof_var *cprof_func_new(const char *name, int (*fn)(void *arg, char *json, size_t room), void *arg);

/* Publishes what was made without a name; under several names, if you like. It stays for good. */
int cprof_publish(const char *name, struct cprof_var *v);

/* You will not use v any more. It lives on where it is published or in a map. */
void cprof_var_free(struct cprof_var *v);

/*
 * A profile as it stands, to fd: "heap", "allocs", "block", "mutex", "goroutine" (or "thread"), "threadcreate", or one
 * of the program's own. debug 0: a gzipped pprof profile; 1: text; 2: for "goroutine" a dump like Go's.
 */
int cprof_write(const char *kind, int fd, int debug);

/*
 * A profile of the program's own: which stacks have put the values that are in it there. For what is opened and closed:
 *
 *     static struct cprof_profile *connections;
 *     connections = cprof_profile_new("connections");
 *     cprof_profile_add(connections, c, 1);
 *     cprof_profile_remove(connections, c);
 *
 * It is served as /debug/pprof/connections and lives as long as the process. NULL where the name is empty or taken,
 * also by a profile that is built in; the calls below do nothing with NULL, so a program need not look.
 */
struct cprof_profile;
struct cprof_profile *cprof_profile_new(const char *name);

/* The profile of that name, a built-in one included; NULL where there is none. */
struct cprof_profile *cprof_profile_lookup(const char *name);

/*
 * Adds a value, which is only compared, with the stack of the calling thread, 32 frames at most. skip says where that
 * begins: 0 at cprof_profile_add itself, 1 at the function that calls it, 2 at its caller. CPROF_ERR_INVALID where the
 * value is there already, or the profile is built in.
 */
int cprof_profile_add(struct cprof_profile *profile, const void *value, int skip);

/* Takes a value out; one that is not there is no error. */
int cprof_profile_remove(struct cprof_profile *profile, const void *value);

/* How many values there are. */
int cprof_profile_count(struct cprof_profile *profile);

/*
 * Labels: what the calling thread works on, in CPU and thread profiles, as Go's pprof.Do has it.
 *
 *     cprof_labels_push("endpoint", "/users");
 *     answer(request);
 *     cprof_labels_pop();
 *
 *     go tool pprof -tagfocus endpoint=/users http://127.0.0.1:6060/debug/pprof/profile
 *
 * A push holds until its pop, which brings back what was before; of equal keys the one pushed last counts. A thread
 * begins with the labels of the thread that makes it (pthread_create, thrd_create, std::thread). cprof_labels_push_all
 * pushes several that one pop takes away: key, value, key, value, ..., NULL. Labels need no server and no core, take no
 * lock, and may be pushed in a signal handler, where it pops them too.
 *
 * Sets of labels are kept for good, 65,536 of them at most: let a value be one of a few, not a user's or a request's
 * number. What is refused changes nothing, shows on the index page, and is popped like the others: CPROF_ERR_INVALID
 * for an empty key and a missing value, CPROF_ERR_TOO_BIG for a key of more than 255 bytes, a value of more than 1,023,
 * more than 64 pushes in a row, and where there are too many sets. The key `thread` is the thread's name until you use
 * it.
 */
int cprof_labels_push(const char *key, const char *value);
int cprof_labels_push_all(const char *const *pairs);
void cprof_labels_pop(void);

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
    return NULL;
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
struct cprof_var;
static inline struct cprof_var *cprof_int_new(const char *name)
{
    (void)name;
    return NULL;
}
static inline void cprof_int_add(struct cprof_var *v, int64_t delta)
{
    (void)v;
    (void)delta;
}
static inline void cprof_int_set(struct cprof_var *v, int64_t value)
{
    (void)v;
    (void)value;
}
static inline int64_t cprof_int_value(const struct cprof_var *v)
{
    (void)v;
    return 0;
}
static inline struct cprof_var *cprof_float_new(const char *name)
{
    (void)name;
    return NULL;
}
static inline void cprof_float_add(struct cprof_var *v, double delta)
{
    (void)v;
    (void)delta;
}
static inline void cprof_float_set(struct cprof_var *v, double value)
{
    (void)v;
    (void)value;
}
static inline double cprof_float_value(const struct cprof_var *v)
{
    (void)v;
    return 0;
}
static inline struct cprof_var *cprof_string_new(const char *name)
{
    (void)name;
    return NULL;
}
static inline int cprof_string_set(struct cprof_var *v, const char *text)
{
    (void)v;
    (void)text;
    return CPROF_OK;
}
static inline size_t cprof_string_value(const struct cprof_var *v, char *text, size_t room)
{
    (void)v;
    if (room)
        *text = 0;
    return 0;
}
static inline struct cprof_var *cprof_map_new(const char *name)
{
    (void)name;
    return NULL;
}
static inline int cprof_map_add(struct cprof_var *map, const char *key, int64_t delta)
{
    (void)map;
    (void)key;
    (void)delta;
    return CPROF_OK;
}
static inline int cprof_map_add_float(struct cprof_var *map, const char *key, double delta)
{
    (void)map;
    (void)key;
    (void)delta;
    return CPROF_OK;
}
static inline int cprof_map_set(struct cprof_var *map, const char *key, struct cprof_var *v)
{
    (void)map;
    (void)key;
    (void)v;
    return CPROF_OK;
}
static inline struct cprof_var *cprof_map_get(struct cprof_var *map, const char *key)
{
    (void)map;
    (void)key;
    return NULL;
}
static inline void cprof_map_delete(struct cprof_var *map, const char *key)
{
    (void)map;
    (void)key;
}
static inline void cprof_map_clear(struct cprof_var *map)
{
    (void)map;
}
static inline struct cprof_var *cprof_func_new(const char *name, int (*fn)(void *arg, char *json, size_t room),
                                               void *arg)
{
    (void)name;
    (void)fn;
    (void)arg;
    return NULL;
}
static inline int cprof_publish(const char *name, struct cprof_var *v)
{
    (void)name;
    (void)v;
    return CPROF_OK;
}
static inline void cprof_var_free(struct cprof_var *v)
{
    (void)v;
}
static inline int cprof_write(const char *kind, int fd, int debug)
{
    (void)kind;
    (void)fd;
    (void)debug;
    return CPROF_OK;
}
struct cprof_profile;
static inline struct cprof_profile *cprof_profile_new(const char *name)
{
    (void)name;
    return NULL;
}
static inline struct cprof_profile *cprof_profile_lookup(const char *name)
{
    (void)name;
    return NULL;
}
static inline int cprof_profile_add(struct cprof_profile *profile, const void *value, int skip)
{
    (void)profile;
    (void)value;
    (void)skip;
    return CPROF_OK;
}
static inline int cprof_profile_remove(struct cprof_profile *profile, const void *value)
{
    (void)profile;
    (void)value;
    return CPROF_OK;
}
static inline int cprof_profile_count(struct cprof_profile *profile)
{
    (void)profile;
    return 0;
}
static inline int cprof_labels_push(const char *key, const char *value)
{
    (void)key;
    (void)value;
    return CPROF_OK;
}
static inline int cprof_labels_push_all(const char *const *pairs)
{
    (void)pairs;
    return CPROF_OK;
}
static inline void cprof_labels_pop(void)
{
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

namespace cprof
{
/* Labels until the end of the block, however it is left: cprof::labels scope("endpoint", path); */
class labels
{
  public:
    labels(const char *key, const char *value)
    {
        (void)cprof_labels_push(key, value);
    }
    explicit labels(const char *const *pairs)
    {
        (void)cprof_labels_push_all(pairs);
    }
    ~labels()
    {
        cprof_labels_pop();
    }

  private:
    labels(const labels &);
    labels &operator=(const labels &);
};
} // namespace cprof
#endif

/* The same in C, with GCC or Clang: CPROF_LABELS("endpoint", path, "method", "GET"); among a block's declarations. */
#if defined(__GNUC__) && !defined(__cplusplus)
static inline void cprof_labels_end_(const int *unused)
{
    (void)unused;
    cprof_labels_pop();
}
#define CPROF_JOIN_(a, b) a##b
#define CPROF_JOIN(a, b)  CPROF_JOIN_(a, b)
#define CPROF_LABELS(...)                                                                                              \
    __attribute__((cleanup(cprof_labels_end_), unused)) const int CPROF_JOIN(cprof_labels_, __LINE__) =                \
        cprof_labels_push_all((const char *const[]){__VA_ARGS__, NULL})
#endif

#endif
