/*
 * The ELF images mapped into a process: where each lies, what identifies it, and the file it came from
 * as long as that file is still the same. Read once, from its maps and the images' own headers in
 * memory; what is unmapped later is still described, and its file still answers for it.
 */
#ifndef CPROF_SYMBOL_MODULES_H
#define CPROF_SYMBOL_MODULES_H

#include "base/status.h"
#include "profile/process.h"
#include "symbol/elffile.h"
#include "symbol/known.h"

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE_MAX_BUILD_ID 64 /* bytes; linkers write 8 to 32 */

struct module {
    const struct process *process;
    uint64_t start, end; /* as its program headers tell; holes and bss included */
    uint64_t dwfl_start; /* where libdwfl must believe it starts, to compute the right bias */
    char *path;          /* as the kernel shows it, perhaps with " (deleted)" behind; "[vdso]" */
    char *file;          /* the file found by module_open; NULL before */
    unsigned char build_id[MODULE_MAX_BUILD_ID];
    size_t build_id_len; /* 0: it has none */
    void *head;          /* ELF header and program headers, the identity of an image without build id */
    size_t head_len;
    size_t phdrs_at;            /* file offset of the program headers; in head they follow the ELF header */
    struct elffile_image image; /* the copy behind its Elf */
    size_t copied;              /* bytes of its files that are in memory: symbol/elffile */
    size_t unpacked;            /* bytes that its DWARF takes there beside them where it is packed: symbol/content */
};

struct modules {
    struct module *at; /* by rising address, disjoint */
    size_t n, cap;
};

/* process must outlive m. On failure nothing needs to be freed. */
enum status modules_read(struct modules *m, const struct process *process, struct reason *why);
void modules_fini(struct modules *m);

/* The module at address, or NULL. */
struct module *modules_find(const struct modules *m, uint64_t address);

/* The module's ELF file, proven to be the one that is mapped. NULL where it was replaced or deleted. *fd is
 * the descriptor behind the Elf, the caller's to close, or -1. */
Elf *module_open(struct module *m, int *fd);

/* What tells it from all other modules. False where that cannot be said: it has no build id, and its file is gone. */
bool module_identify(const struct module *m, struct known_id *id);

/* Opens a regular file, and only that: no waiting on a pipe, nothing left open across exec. -1 on failure. */
int module_open_file(const char *path);

/* Are its files to be copied? Where the process that would die of their being cut is the program. */
bool module_copies(const struct module *m);

/* Does the file carry this build id? */
bool module_has_build_id(Elf *elf, const void *id, size_t len);

#endif
