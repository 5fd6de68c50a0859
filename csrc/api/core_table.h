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

#define CPROF_CORE_ABI    4u /* raised with every change of this file */
#define CPROF_CORE_SYMBOL "cprof_core_table"
#define CPROF_CORE_NAME   "libcprof_core.so"

#define CPROF_WRITER_NAME "cprof_write" /* the program that names dumps; it lies beside the core */

struct cprof_profile;
struct cprof_record;

/* What `cprof run` wants of a process. All that it points to must live for ever. */
struct cprof_run {
    const char *output;             /* an absolute path, %p in it is the process id; NULL for none */
    const char *http;               /* where to serve; NULL: nowhere */
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
    const char *(*serve_addr)(void);
    int (*close)(void);

    /* The server that was asked for from outside the program (CPROF_HTTP, `cprof run`): a listener beside the one that
     * the program itself may open, and out of reach of its close(). Where one is open already that is success. */
    int (*serve_outside)(const char *addr);
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

    const char *(*last_error)(void);
    const char *(*version)(void);
};

/* NULL where abi is not CPROF_CORE_ABI. */
const struct cprof_core *cprof_core_table(uint32_t abi);

#endif
