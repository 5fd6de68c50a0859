/*
 * The ids a file gives its rows, mapped to rows of the model. Usually they count from 1 and cost nothing to
 * look up; any others, 64 bits and sparse, go through a hash index. Private to encode/.
 */
#ifndef CPROF_ENCODE_PPROF_IDS_H
#define CPROF_ENCODE_PPROF_IDS_H

#include "base/status.h"
#include "base/vec.h"
#include "profile/rowindex.h"

#include <stdbool.h>

/* A zeroed one is empty and valid. */
struct pprof_ids {
    struct vec_u64 id; /* in file order */
    struct vec_u32 row;
    struct rowindex by_id;
    bool sparse; /* ids stopped counting 1, 2, 3, ...: by_id is in use */
};

void pprof_ids_fini(struct pprof_ids *ids);

/* STATUS_INVALID when the id is already there. */
enum status pprof_ids_add(struct pprof_ids *ids, uint64_t id, uint32_t row);
bool pprof_ids_find(const struct pprof_ids *ids, uint64_t id, uint32_t *row);

#endif
