/*
 * The next definition of a function behind this library's own, as RTLD_NEXT would find it, but without dlsym: by
 * walking the loader's list, which takes no lock and allocates nothing, so that it may happen at any moment, before our
 * constructor too.
 */
#ifndef CPROF_DOOR_NEXT_H
#define CPROF_DOOR_NEXT_H

/* NULL: nobody else defines it. */
void *next_definition(const char *name);

#endif
