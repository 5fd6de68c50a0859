/*
 * What a door knows of the core: a table of function pointers behind one exported function, checked by number
 * before anything is called. A door and a core of different builds refuse each other instead of crashing.
 */
#ifndef CPROF_API_CORE_TABLE_H
#define CPROF_API_CORE_TABLE_H

#include "base/any/here.h"
#include "hook/next.h"

#include <stddef.h>
#include <stdint.h>

#define CPROF_CORE_ABI    10u /* raised with every change of this file */
#define CPROF_CORE_SYMBOL "cprof_core_table"
#define CPROF_CORE_NAME   "libcprof_core.so"

#define CPROF_WRITER_NAME "cprof_write" /* the program that names dumps; it lies beside the core */

struct cprof_http_request;
struct cprof_http_response;
struct cprof_profile;
struct cprof_record;
struct cprof_serve_options;
struct cprof_vars;
struct labels;
struct var;

/* A server that is asked for from outside the program, in the words of the environment; NULL for what is not said. */
struct cprof_outside {
    const char *http;         /* where */
    const char *allow_remote; /* "1" or "without-token" */
    const char *token_file;
    const char *allow_host;
};

/* What `cprof run` wants of a process. All that it points to must live for ever. */
struct cprof_run {
    const char *output;             /* an absolute path, %p in it is the process id; NULL for none */
    struct cprof_outside serve;     /* http is NULL: nowhere */
    int hz;                         /* 0 = the set rate */
    int follow;                     /* children too */
    int is_child;                   /* of the process that was started: explicit ports are counted up */
    unsigned generation;            /* images that this process has had since it was started */
    const char *const *environment; /* the variables behind all this, "NAME=value", NULL at the end */
    const char *stub;               /* the preloaded library, as LD_PRELOAD names it */
};

/* Functions return what those of cprof.h do: 0 or more, or a negative enum cprof_status with a sentence behind
 * last_error. */
struct cprof_core {
    int (*serve)(const char *addr);
    int (*serve_with)(const struct cprof_serve_options *options);
    const char *(*serve_addr)(void);
    int (*close)(void);

    /* The server that was asked for from outside the program (CPROF_HTTP, `cprof run`): a listener beside the one that
     * the program itself may open, and out of reach of its close(). Where one is open already that is success. */
    int (*serve_outside)(const struct cprof_outside *wanted);
    const char *(*serve_outside_addr)(void);

    /* Lets go of its address, for a process that is about to want it. For doors only: no public function leads here. */
    int (*close_outside)(void);

    int (*cpu_start)(int fd, int hz);
    int (*cpu_stop)(void);
    int (*set_cpu_hz)(int hz);

    /* A profile into memory; any number at a time. hz 0 = the set rate. stop always frees r; *bytes is a gzipped
     * profile, given back with bytes_free. In a child of fork a parent's record only gives CPROF_ERR_NOT_RUNNING.
     * drop ends one that nobody wants any more, without naming and writing it. */
    int (*record_start)(const char *kind, int hz, struct cprof_record **out);
    int (*record_stop)(struct cprof_record *r, void **bytes, size_t *n);
    void (*record_drop)(struct cprof_record *r);
    void (*bytes_free)(void *bytes);

    /* cprof_http_handle (what 0), _profile (1, with name), _vars (2), and the rest of cprof.h's HTTP functions. */
    int (*http_handle)(int what, const char *name, const struct cprof_http_request *req,
                       struct cprof_http_response *res);
    void (*http_response_free)(struct cprof_http_response *res);
    int (*http_set)(struct cprof_http_response *res, const char *name, const char *value);
    int (*http_write)(struct cprof_http_response *res, const void *bytes, size_t n);
    int (*route)(const char *path,
                 int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg),
                 void *arg);

    /* from: where skip = 0 begins. */
    int (*profile_new)(const char *name, struct cprof_profile **out);
    struct cprof_profile *(*profile_lookup)(const char *name);
    int (*profile_add)(struct cprof_profile *p, const void *value, int skip, const struct here *from);
    int (*profile_remove)(struct cprof_profile *p, const void *value);
    int (*profile_count)(struct cprof_profile *p);

    /* A profile by its name as it stands, to a descriptor and into memory (bytes_free). */
    int (*write)(const char *kind, int fd, int debug);
    int (*snapshot)(const char *kind, int debug, void **bytes, size_t *n);

    /* For the preload stub. next: whom intercepted calls go on to, for ever. Returns the functions that take them. */
    const struct hook_functions *(*run)(const struct cprof_run *run, const struct hook_functions *next);
    /* For the program that it starts in the end: see api/run.h. */
    int (*write_dump)(int dump, int out, int add, const char *program_link);

    /* For what the front has been given to publish (vars/published.h): v is served from now on. */
    int (*vars_publish)(const char *name, size_t n, struct var *v);
    /* There are function variables: whoever calls this is a thread of the program's, and is what theirs is to be like.
     */
    void (*vars_call)(void);
    /* For a door without variables of its own: see api/vars_table.h. */
    const struct cprof_vars *vars;

    /* For a front: its labels, which are in force where the core has none yet; returns those that are. base/labels.h.
     */
    struct labels *(*labels_join)(struct labels *front);

    /* An interpreter's collection of garbage, for memstats: from, to in ns since 1970; forced: gc=1 asked for it. */
    void (*collected)(int64_t start_ns, int64_t end_ns, int forced);
    /* What gc=1 calls, on a thread of ours: 0, or -1 where nobody collects any more. From a thread of the program's. */
    void (*set_collector)(int (*collect)(void));
    /* Remembers for last_error; returns code. */
    int (*fail)(int code, const char *sentence);

    const char *(*last_error)(void);
    const char *(*version)(void);
};

/* NULL where abi is not CPROF_CORE_ABI. */
const struct cprof_core *cprof_core_table(uint32_t abi);

/* Of the front, which is found in memory: the core says that it is there. The core may be opened by another door. */
#define CPROF_FRONT_SYMBOL "cprof_front_join"
void cprof_front_join(uint32_t abi, const struct cprof_core *core);

#endif
