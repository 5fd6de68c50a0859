/*
 * Keeps sig/rows' map in step with what is loaded. Used by threads of ours only, the engine's and the keeper's, which
 * hold no lock: while the loader is asked only those of this file are held, because the host may call us while it holds
 * the loader's lock (from a constructor), and the two orders together would deadlock.
 */
#ifndef CPROF_SAMPLER_MODULES_H
#define CPROF_SAMPLER_MODULES_H

#include <stdbool.h>
#include <stddef.h>

/* Rebuilds and publishes the map if anything was loaded or unloaded since the last call; otherwise costs one
 * call of dl_iterate_phdr. Tables of modules that stayed are kept. meanwhile is called now and then while tables are
 * built, with no lock but LOCK_REFRESH held; NULL: there is nothing else to do. */
bool modules_refresh(void (*meanwhile)(void));

/* Is the loader being asked, or waited for? Any thread. */
bool modules_is_asking(void);

/* got_sync, in its turn with what else asks the loader. Threads of ours. */
bool modules_redirect(void);

/* What the tables of the map in force take. Any thread. */
size_t modules_bytes(void);

/* Before the first thread that calls the above is started: no fork while the loader is being asked; in the child a
 * refresh that was cut in two is forgotten. */
void modules_prepare(void);

#endif
