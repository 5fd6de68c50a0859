/*
 * Redirecting the calls of modules that are already loaded: each place where the loader has put the address of an
 * intercepted function (a PLT's or a table's slot, a stored pointer) gets ours instead, also where RELRO has made it
 * read-only; and back. For the linked and the Python door; under `cprof run` the preload stub is found first by
 * everybody, and nothing needs to be redirected.
 *
 *     got_want(+1)  by who switches something on        any ordinary thread, no waiting
 *     got_sync()    on a thread of ours, soon after     asks the loader, as does
 *     got_want(-1), got_sync()                          who switches it off again
 *
 * Nothing is remembered of where slots are: undoing looks for our addresses in what is loaded then. A module that is
 * loaded while redirection is on gets it with the next got_sync.
 */
#ifndef CPROF_HOOK_GOT_H
#define CPROF_HOOK_GOT_H

#include "hook/hooks.h"

#include <stdbool.h>
#include <stdint.h>

/* Whom the intercepted calls tell. Must live for ever. */
void got_configure(const struct hook_events *events);

/* The preload stub takes the calls: there is nothing to redirect. */
void got_never(void);

/* False: it never comes to anything, and no got_sync has to follow. */
bool got_want(int more);

/* Brings what is loaded in line with what is wanted. On a thread of ours, with no lock but LOCK_MODULES held. False:
 * some modules are still being loaded, and are to be looked at again. */
bool got_sync(void);

/* Not after got_never. */
bool got_is_used(void);

/* Slots that point to us now. */
uint32_t got_count(void);

#endif
