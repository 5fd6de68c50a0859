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
 * (or 1, 6060, :6060, localhost:6060). Until something is switched on there is no thread, no signal handler, no
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

#ifndef CPROF_DISABLE

/*
 * Starts the debug server: GET /debug/pprof/ and what it lists. addr is "host:port", ":port", "port", "[::1]:port" or
 * "unix:/path"; port 0 picks a free one; NULL and "1" mean 127.0.0.1:6060. Loopback only; a unix socket is for its user
 * (mode 0600), and what an ended process left in its place is replaced. The server has its own threads, with all
 * signals blocked. CPROF_ERR_BUSY where the program has one already; one that was asked for from outside (CPROF_HTTP,
 * `cprof run`) does not count, and cprof_close() does not end it.
 */
int cprof_serve(const char *addr);

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
    return 0;
}
static inline struct cprof_profile *cprof_profile_lookup(const char *name)
{
    (void)name;
    return 0;
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
