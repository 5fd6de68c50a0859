/*
 * What collect needs to know about an address, without knowing who knows it: symbol/ implements this.
 * A namer is used by one thread at a time.
 */
#ifndef CPROF_PROFILE_NAMER_H
#define CPROF_PROFILE_NAMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMER_MAX_INLINE 32 /* frames at one address; deeper inlining keeps the outermost */

/* Strings live until the namer is freed. */
struct named_frame {
    const char *name;        /* demangled */
    const char *system_name; /* as in the symbol table */
    const char *file;        /* "" when unknown */
    int64_t line;            /* 0 when unknown */
    int64_t start_line;      /* 0 when unknown */
};

struct namer {
    /* Frames at address, leaf (innermost inlined) first; 0 when nothing is known. Cheapest by rising address. */
    size_t (*frames)(void *self, uint64_t address, struct named_frame out[NAMER_MAX_INLINE]);
    /* Lower-case hex build id of the module at address; false when it has none. */
    bool (*build_id)(void *self, uint64_t address, char *hex, size_t room);
    /* Where the function at address begins in memory, 0 when unknown. */
    uint64_t (*entry)(void *self, uint64_t address);
    void *self;
};

#endif
