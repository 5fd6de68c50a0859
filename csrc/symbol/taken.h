/*
 * Naming stands on libraries that are shared with the host, and the host's own functions come first wherever one of
 * theirs is called: a program that exports an elf_begin would be called by libdw. Then there are no names.
 */
#ifndef CPROF_SYMBOL_TAKEN_H
#define CPROF_SYMBOL_TAKEN_H

/* A function of those libraries that somebody else defines; NULL where all is well. Known since the core was loaded. */
const char *taken_function(void);

#endif
