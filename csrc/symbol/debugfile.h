/*
 * Finding the separate file with a module's DWARF: by build id, then by the name the module gives, where
 * distributions put them. On this machine only; whether it is the right file is checked, not believed.
 */
#ifndef CPROF_SYMBOL_DEBUGFILE_H
#define CPROF_SYMBOL_DEBUGFILE_H

#include <stddef.h>
#include <stdint.h>

struct debugfile_wanted {
    const char *beside;   /* the file that asks */
    const char *name;     /* what it calls the other; NULL when it does not */
    const void *build_id; /* of the file wanted */
    size_t build_id_len;  /* 0: unknown, then crc decides */
    uint32_t crc;         /* of the whole file wanted, as .gnu_debuglink has it */
};

/* A descriptor and the malloc'ed path of the file, or -1. */
int debugfile_find(const struct debugfile_wanted *w, char **path);

#endif
