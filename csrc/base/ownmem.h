/*
 * Memory of this process that may not be there: an error then, and no signal. Ordinary threads.
 */
#ifndef CPROF_BASE_OWNMEM_H
#define CPROF_BASE_OWNMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All n bytes at address, or false. */
bool ownmem_read(uint64_t address, void *into, size_t n);

#endif
