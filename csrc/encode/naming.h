/*
 * What a profile needs to know of a process while it is being made: what is mapped where, and what is there called.
 * Ordinary threads.
 */
#ifndef CPROF_ENCODE_NAMING_H
#define CPROF_ENCODE_NAMING_H

#include "profile/maps.h"
#include "profile/namer.h"
#include "symbol/symbols.h"

enum naming_names { NAMING_WITH, NAMING_WITHOUT };

struct naming {
    struct maps maps;
    struct symbols *symbols;
    struct namer namer;
};

/* NAMING_WITHOUT: addresses stay without names, for whoever reads them to look up (build ids are there all the same).
 * On failure nothing needs to be closed. process must outlive n. */
enum status naming_open(struct naming *n, const struct process *process, enum naming_names names, struct reason *why);
void naming_close(struct naming *n);

#endif
