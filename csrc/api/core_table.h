/*
 * What a door knows of the core: a table of function pointers behind one exported function, checked by number
 * before anything is called. A door and a core of different builds refuse each other instead of crashing.
 */
#ifndef CPROF_API_CORE_TABLE_H
#define CPROF_API_CORE_TABLE_H

#include <stdint.h>

#define CPROF_CORE_ABI    1u /* raised with every change of the struct */
#define CPROF_CORE_SYMBOL "cprof_core_table"

struct cprof_core {
    int (*serve)(const char *addr);
    const char *(*serve_addr)(void);
    int (*close)(void);
    int (*cpu_start)(int fd, int hz);
    int (*cpu_stop)(void);
    int (*set_cpu_hz)(int hz);
    const char *(*last_error)(void);
    const char *(*version)(void);
};

/* NULL where abi is not CPROF_CORE_ABI. */
const struct cprof_core *cprof_core_table(uint32_t abi);

#endif
