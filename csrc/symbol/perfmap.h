/*
 * Names of code that was made at run time, from the file in which the program's own runtime lists it for perf(1):
 * /tmp/perf-PID.map, a line for each piece of code, "START SIZE NAME", the numbers in hex. Where lines overlap the
 * later one holds: code that moved is written down again. Read by one thread, for one session; says nothing of how to
 * walk that code.
 */
#ifndef CPROF_SYMBOL_PERFMAP_H
#define CPROF_SYMBOL_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PERFMAP_MAX_NAME 1024 /* bytes with NUL; longer ones are cut */

/* Of a longer file only the end is read, and of many pieces of code only those listed last are known. */
#define PERFMAP_MAX_BYTES ((size_t)64 << 20)
#define PERFMAP_MAX_CODES ((size_t)1 << 19)

struct perfmap_code {
    uint64_t start;
    uint64_t reach; /* the highest end of this one and all before it in the table */
    uint32_t size;
    uint32_t line_at; /* bytes behind perfmap.first; rises from line to line */
};

/* Zeroed is empty and valid. */
struct perfmap {
    struct perfmap_code *codes; /* by start */
    size_t n, cap;
    int fd; /* valid where n > 0 */
    off_t first;
};

/* The file of the process that calls itself pid. Empty unless it is a regular file, no link, of this user or of root:
 * anybody may write to /tmp. A last line that is not complete yet does not count. */
void perfmap_open(struct perfmap *p, pid_t pid);

/* The same of a file already open, which is p's from now on. */
void perfmap_read(struct perfmap *p, int fd);
void perfmap_close(struct perfmap *p);

bool perfmap_find(const struct perfmap *p, uint64_t address, char name[PERFMAP_MAX_NAME]);

#endif
