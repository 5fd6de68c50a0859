/* Reads of this process's own memory where nobody promises that it is still mapped: an error, not a signal. */
#ifndef CPROF_SYMBOL_MEMORY_H
#define CPROF_SYMBOL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All n bytes, or false. */
bool memory_read(uint64_t address, void *into, size_t n);

#endif
