/*
 * One module's DWARF by address: which compilation unit, and which function in it. The table of units is built
 * from the units themselves, since .debug_aranges may be missing or partial; a unit's table of functions when
 * the first address inside it is asked for. Addresses are the DWARF's own, without the load bias. The table of units
 * outlives the Dwarf it was read from, which takes much memory: another one of the same file goes on with it.
 */
#ifndef CPROF_SYMBOL_UNITS_H
#define CPROF_SYMBOL_UNITS_H

#include "symbol/sidefile.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One range of a function; a function split in hot and cold has two. */
struct function {
    uint64_t low, high;
    Dwarf_Die die;
};

enum unit_scan { UNIT_NOT_SCANNED, UNIT_NAMESPACES, UNIT_EVERYWHERE };

struct unit {
    Dwarf_Off offset; /* of its DIE */
    bool is_open;
    Dwarf_Die die;  /* once open: has the line table; a skeleton when the rest is in another file */
    Dwarf_Die body; /* likewise; has the functions */
    enum unit_scan scan;
    struct function *functions; /* by low, once scanned */
    size_t n, cap;
};

struct unit_range {
    uint64_t low, high;
    size_t unit; /* index into units.at: the array moves while it grows */
};

/* Zeroed is empty and valid. */
struct units {
    struct unit *at;
    size_t n, cap;
    struct unit_range *ranges; /* by low */
    size_t n_ranges, cap_ranges;
};

/* What can be read; without memory, fewer. All of them are closed. */
void units_init(struct units *u, Dwarf *dw);
void units_fini(struct units *u);

/* NULL when no unit claims the address. */
struct unit *units_find(struct units *u, uint64_t address);

/* Before its other fields are looked at; dw is of the file that u was read from. False where that cannot be. Without
 * the rest of a skeleton it has lines, and no functions. */
bool unit_open(struct unit *unit, Dwarf *dw, const struct sidefiles *side);

/* What was read of an open unit, roughly, here and in libdw. */
size_t unit_bytes(struct unit *unit);

/* Before their Dwarf ends. */
void units_close(struct units *u);

/* The innermost function with code at address, inlined ones not counted, or NULL. */
const struct function *unit_function(struct unit *unit, uint64_t address);

#endif
