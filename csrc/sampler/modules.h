/*
 * Keeps sig/rows' map in step with what is loaded. Used by one thread only, the engine's: of our locks it holds none
 * but its own while it asks the loader, because the host may call us while it holds the loader's lock (from a
 * constructor), and the two orders together would deadlock.
 */
#ifndef CPROF_SAMPLER_MODULES_H
#define CPROF_SAMPLER_MODULES_H

#include <stdbool.h>
#include <stddef.h>

/* Rebuilds and publishes the map if anything was loaded or unloaded since the last call; otherwise costs one
 * call of dl_iterate_phdr. Tables of modules that stayed are kept. */
bool modules_refresh(void);

/* got_sync, in its turn with what else asks the loader. Threads of ours. */
bool modules_redirect(void);

/* What the tables of the map in force take. Any thread. */
size_t modules_bytes(void);

/* Around a fork, under the engine's lock: no fork while the loader is being asked; in the child a refresh that was cut
 * in two is forgotten. */
void modules_before_fork(void);
void modules_after_fork_parent(void);
void modules_after_fork_child(void);

#endif
