/*
 * Addresses of one process become rows of a model: locations with their mappings, functions and lines. Each distinct
 * address is named once, since naming is what takes the time. One thread at a time.
 */
#ifndef CPROF_PROFILE_LOCATE_H
#define CPROF_PROFILE_LOCATE_H

#include "profile/maps.h"
#include "profile/model.h"
#include "profile/namer.h"

/* The name of code in a library that was unloaded since, whatever lies there now. */
#define UNLOADED_FRAME "<unloaded>"

struct locator {
    struct model *out;
    const struct maps *maps;
    const struct namer *namer;
    struct rowindex by_address; /* locations of out */
    struct vec_u64 wanted;      /* distinct addresses of what was announced */
    struct rowindex by_wanted;
    struct vec_u32 map_index;   /* maps->at[i] in the model, or MODEL_NONE while unused */
    struct vec_u32 map_unknown; /* of each model mapping: MODEL_HAS_* that some address lacked */
    struct vec_u32 map_inline;  /* of each model mapping: 1 if an address had inlined frames */
};

/* out has its types and no mapping. The rest must outlive l. To be ended by locator_fini in any case. */
enum status locator_init(struct locator *l, struct model *out, const struct maps *maps, const struct namer *namer);

/* Who knows all stacks before the first is located announces them, and has their addresses named in rising order: that
 * takes less memory, and less time (namer.h). */
enum status locator_announce(struct locator *l, const uint64_t *pc, size_t depth);
enum status locator_name_announced(struct locator *l);

/* The rows of a stack, leaf first: pc[0] is where the leaf was, the others are return addresses. */
enum status locator_stack(struct locator *l, const uint64_t *pc, size_t depth, uint32_t *rows);

/* When all addresses are there: a mapping's flags say "true of every address". */
void locator_flag_mappings(struct locator *l);

void locator_fini(struct locator *l);

/* A frame without an address, such as "<truncated>". */
enum status locate_pseudo(struct model *m, const char *name, uint32_t *row);

#endif
