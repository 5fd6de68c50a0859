/*
 * The files of modules, opened so that they may be cut while they are read, as a compiler or a copy does that writes
 * over them: what is mapped is then gone, and whoever reads it gets SIGBUS, which ends the process. So what is wanted
 * of a file is copied into memory of our own, where that is not too much. Not into the heap, which may keep it for
 * ever.
 */
#ifndef CPROF_SYMBOL_ELFFILE_H
#define CPROF_SYMBOL_ELFFILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

#define ELFFILE_MAX_COPIED ((size_t)64 << 20)  /* of one file */
#define ELFFILE_MAX_BYTES  ((size_t)256 << 20) /* its length: holes take memory too where the host locks all it has */

/* As long as the file, with its symbol tables, DWARF and stubs, each where the file has it, and holes for code and
 * data. Zeroed is empty and valid. */
struct elffile_image {
    char *at;
    size_t bytes;
    size_t copied; /* of them, what takes memory */
};

enum elffile_how { ELFFILE_COPIED, ELFFILE_TOO_LARGE, ELFFILE_CUT };

/* An empty one. False without memory. */
bool elffile_make(struct elffile_image *image, size_t bytes);

/* ELFFILE_TOO_LARGE, also where memory is not to be had: it may be mapped. ELFFILE_CUT: it must not be read now. */
enum elffile_how elffile_copy(int fd, struct elffile_image *image);
void elffile_drop(struct elffile_image *image);

/* The same for libdwfl, which maps whatever it gets: the descriptor of a file in memory, with fd closed, or fd itself
 * where it is too large, or making one could be the end of the program. -1, with fd closed, where it was cut. */
int elffile_copy_apart(int fd, size_t *copied);

/* Its headers and notes, for a moment: NULL where they are too long to be any. */
Elf *elffile_look(int fd);

#endif
