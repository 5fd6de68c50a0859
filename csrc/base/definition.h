/*
 * The definition of a function or variable that callers reach, found by walking the loader's list: without dlsym, so
 * without a lock and without allocating, at any moment, before any constructor too. Unlike dlsym it never gives a
 * program's own PLT entry, which stands for the function in programs that are not position-independent.
 */
#ifndef CPROF_BASE_DEFINITION_H
#define CPROF_BASE_DEFINITION_H

#include <link.h>

/* The first definition in loading order; with `behind`, a module's dynamic section, the first after that module. NULL:
 * nobody defines it. */
void *definition_of(const char *name, const ElfW(Dyn) * behind);

#endif
