/*
 * The definition of a function or variable that callers reach, found by walking the loader's list: without dlsym, so
 * without a lock and without allocating, at any moment, before any constructor too. Unlike dlsym it never gives a
 * program's own PLT entry, which stands for the function in programs that are not position-independent.
 */
#ifndef CPROF_BASE_DEFINITION_H
#define CPROF_BASE_DEFINITION_H

#include <link.h>
#include <stdbool.h>

/* The first definition in loading order; with `behind`, a module's dynamic section, the first after that module. NULL:
 * nobody defines it. */
void *definition_of(const char *name, const ElfW(Dyn) * behind);

/* The one of the first loaded module called `library`, a part of its path. */
void *definition_in(const char *library, const char *name);

/* Does the program itself define it? Does it want one from others that begins so? */
bool definition_is_the_programs(const char *name);
bool definition_is_wanted_by_program(const char *beginning);

/* Of the names that the loaded module called `library` (a part of its path) wants from others, and cares() is true of:
 * the first whose definition is in no module of `owners`. NULL where all are. Where modules may be unloaded meanwhile
 * the caller holds the loader's lock: in a constructor. */
const char *definition_taken(const char *library, bool (*cares)(const char *name), const char *const owners[]);

#endif
