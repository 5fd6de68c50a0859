/*
 * What DWARF says of one address inside one unit: the function, everything inlined there, where each was
 * called from, and the line of the instruction itself.
 */
#ifndef CPROF_SYMBOL_INLINES_H
#define CPROF_SYMBOL_INLINES_H

#include "profile/namer.h"
#include "symbol/texts.h"
#include "symbol/units.h"

/*
 * Fills out, leaf first, and returns the number of frames, at least 1. fallback is the symbol table's name
 * at the address, or NULL; it names the outermost frame where it knows better than DWARF, or DWARF nothing.
 * 0 when nobody has a name. function may be NULL: then only the line is looked up.
 */
size_t inlines_at(struct texts *texts, struct unit *unit, const struct function *function, uint64_t address,
                  struct text *fallback, struct named_frame out[NAMER_MAX_INLINE]);

#endif
