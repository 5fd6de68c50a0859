/*
 * The executable mappings of a process as a profile wants them. Ordinary threads.
 */
#ifndef CPROF_PROFILE_MAPS_H
#define CPROF_PROFILE_MAPS_H

#include "base/status.h"
#include "profile/process.h"
#include "sampler/vacated.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    uint64_t start, limit, offset;
    char *path;        /* " (deleted)" trimmed; "[vdso]"; never NULL */
    bool is_anonymous; /* no file's, and without a name: path is MAPS_JIT */
};

#define MAPS_JIT "[jit]"

struct maps {
    struct map *at; /* by rising start */
    size_t n, cap;
    const struct vacated *vacated; /* places where something else lay meanwhile; NULL: none */
};

/* The executable entries. maps is initialised here, valid on STATUS_OK. */
enum status maps_read(const struct process *process, struct maps *maps, struct reason *why);
void maps_fini(struct maps *maps);

/* Whether an address of earlier may belong to a module that is not there any more. */
bool maps_is_vacated(const struct maps *maps, uint64_t address);

/* The mapping of address, NULL if it is in none. */
const struct map *maps_find(const struct maps *maps, uint64_t address);

#endif
