/*
 * What was collected, and what naming it needs, as it stands in memory: written by a program that is ending, at any
 * instruction, and read by a process of its own (encode/undump) that names and encodes it. Never kept: writer and
 * reader are of the same build.
 *
 *     struct dump_head, then parts, each a struct dump_part and its bytes, padded to 8
 *
 * DUMP_STACK   struct dump_stack, its pcs, and its labels: key, NUL, value, NUL, ...
 * DUMP_MAPS    the text of /proc/self/maps
 * DUMP_MEMORY  a uint64_t address and the bytes there: the head of each mapped file, and the vdso
 */
#ifndef CPROF_ENCODE_DUMP_H
#define CPROF_ENCODE_DUMP_H

#include "encode/cpu_profile.h"

#define DUMP_MAGIC UINT64_C(0x34706d7564637063) /* raised with every change of what follows */

struct dump_head {
    uint64_t magic;
    uint64_t bytes; /* of all, this head included: 0 until it is complete */
    struct cpu_facts facts;
    int64_t refused[STACKTAB_WEIGHTS];
};

enum dump_kind { DUMP_STACK = 1, DUMP_MAPS, DUMP_MEMORY };

struct dump_part {
    uint32_t kind;
    uint32_t unused;
    uint64_t bytes; /* without padding */
};

struct dump_stack {
    int64_t weight[STACKTAB_WEIGHTS];
    uint32_t flags, depth;
    uint32_t label_bytes, unused;
    char thread[STACKTAB_NAME_ROOM];
};

/* Any context; the caller sees to it that collected does not change meanwhile. fd is empty and can be written at any
 * offset. */
bool dump_write(int fd, const struct cpu_facts *facts, const struct collect *collected);

#endif
