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
 * Fills out, leaf first, and returns the number of frames; 0 when nobody has a name. fallback is the symbol
 * table's name at the address, or NULL: it names the outermost frame where it knows better than DWARF. function
 * may be NULL: then there is one frame, of that name, with the line of the instruction.
 */
size_t inlines_at(struct texts *texts, struct unit *unit, const struct function *function, uint64_t address,
                  struct text *fallback, struct named_frame out[NAMER_MAX_INLINE]);

#endif
