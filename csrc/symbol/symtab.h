/*
 * The functions of one module's symbol tables, sorted by address with one name for each: libdwfl merges the
 * tables of the file, its debug file and .gnu_debugdata, but searches them from end to end at each question.
 */
#ifndef CPROF_SYMBOL_SYMTAB_H
#define CPROF_SYMBOL_SYMTAB_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
    uint64_t start, end;
    const char *name; /* the file's own bytes; an "@VERSION" may follow name_len */
    uint32_t name_len;
    uint8_t rank; /* how good a name it is; see symtab.c */
    bool global;
};

/* Zeroed is empty and valid. */
struct symtab {
    struct symbol *at;
    size_t n, cap;
};

/* What can be read; without memory, fewer. The names live as long as the module's Dwfl. */
void symtab_init(struct symtab *t, Dwfl_Module *module);
void symtab_fini(struct symtab *t);

/* The symbol whose bytes include address, or NULL. */
const struct symbol *symtab_find(const struct symtab *t, uint64_t address);

#endif
