/*
 * What the files of one module say of its addresses: symbol tables, DWARF, the stubs of its PLT. Read when first asked
 * for, by libdw, whose memory grows with what is asked; content_close gives it back, and asking reads again. One thread
 * at a time.
 */
#ifndef CPROF_SYMBOL_CONTENT_H
#define CPROF_SYMBOL_CONTENT_H

#include "symbol/known.h"
#include "symbol/modules.h"
#include "symbol/plt.h"
#include "symbol/sidefile.h"
#include "symbol/symtab.h"
#include "symbol/texts.h"
#include "symbol/units.h"

/* Packed DWARF (gcc -gz, Debian's -dbgsym) is unpacked into memory as a whole, and one that takes more than this is
 * left alone: then there are the names of the symbol table. */
#define CONTENT_MAX_UNPACKED ((size_t)128 << 20)

/* Given to libdwfl, and the folder that libdw then had for it. */
struct given_file {
    int fd;
    char *folder;
};

/* Zeroed but for module is closed. */
struct content {
    struct module *module;
    Dwfl *dwfl;
    Dwarf *dwarf;
    bool is_open;
    bool has_file;  /* while open; otherwise names may come later, when the file is back */
    bool is_broken; /* libdw was left in the middle: its memory is leaked rather than walked once more */
    bool has_units;
    bool lacks_shared;             /* the file that several debug files share was not found */
    struct given_file own, apart;  /* the module's, and the one with its DWARF */
    struct sidefiles side;         /* of whichever has the DWARF */
    uint64_t dwarf_bias, elf_bias; /* address in memory minus address in the file */
    struct symtab symtab;
    struct units units; /* its table stays when the rest is closed */
    struct plt plt;
    size_t file_bytes, unit_bytes; /* of memory, roughly: what opening took, and what was read of units since */
};

/* The answer for address, which lies in the module. False where no file could be read: then it holds nothing. */
bool content_ask(struct content *c, struct texts *texts, uint64_t address, struct known_answer *out);

void content_close(struct content *c);
void content_fini(struct content *c);

#endif
