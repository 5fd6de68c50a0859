/*
 * What a door knows of the core: a table of function pointers behind one exported function, checked by number
 * before anything is called. A door and a core of different builds refuse each other instead of crashing.
 */
#ifndef CPROF_API_CORE_TABLE_H
#define CPROF_API_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define CPROF_CORE_ABI    2u /* raised with every change of this file */
#define CPROF_CORE_SYMBOL "cprof_core_table"
#define CPROF_CORE_NAME   "libcprof_core.so"

struct cprof_record;

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

    int (*cpu_start)(int fd, int hz);
    int (*cpu_stop)(void);
    int (*set_cpu_hz)(int hz);

    /* A profile into memory; any number at a time. hz 0 = the set rate. stop always frees r; *bytes is a gzipped
     * profile, given back with bytes_free. In a child of fork a parent's record only gives CPROF_ERR_NOT_RUNNING. */
    int (*record_start)(const char *kind, int hz, struct cprof_record **out);
    int (*record_stop)(struct cprof_record *r, void **bytes, size_t *n);
    void (*bytes_free)(void *bytes);

    const char *(*last_error)(void);
    const char *(*version)(void);
};

/* NULL where abi is not CPROF_CORE_ABI. */
const struct cprof_core *cprof_core_table(uint32_t abi);

#endif
