/*
 * Files that libdw opens by itself, at paths that the DWARF gives: those of split units (gcc -gsplit-dwarf), and the
 * one that several debug files share (dwz) where ours was not found. It waits for whatever lies there, a FIFO or a
 * device too, so each place is looked at first. What is put there in the moment between looking and opening is not
 * seen.
 */
#ifndef CPROF_SYMBOL_SIDEFILE_H
#define CPROF_SYMBOL_SIDEFILE_H

#include <elfutils/libdw.h>
#include <stdbool.h>

/* The folder where libdw looks first, for a file that it has from this descriptor. It asks /proc/self/fd, which tells
 * of the main thread's table: in one of our own the number may be another file's. malloc'ed; NULL: none. */
char *sidefile_folder(int fd);

/* Where libdw looks for the files beside one Dwarf. Zeroed: that is not known. */
struct sidefiles {
    bool is_known;
    char *folder; /* NULL: nowhere */
};

void sidefiles_fini(struct sidefiles *s);

/* The body of a skeleton unit, from its own file. False: it has none, or that is not to be had. */
bool sidefile_body(const struct sidefiles *s, Dwarf_Die *skeleton, Dwarf_Die *body);

/* Before anything is read of a Dwarf for which no shared file was found: from then on libdw looks for none. False: it
 * would find something, and must not be asked for names. */
bool sidefile_go_without_shared(const struct sidefiles *s, Dwarf *dw);

#endif
