/*
 * Rows for sig/rows out of one module's .eh_frame. Pure: works on a copy of the section's bytes, so it may run
 * while the module itself goes away. The input is a host's binary: every read is bounded by the copy.
 */
#ifndef CPROF_SAMPLER_EHFRAME_H
#define CPROF_SAMPLER_EHFRAME_H

#include "base/status.h"
#include "sig/rows.h"

#include <stddef.h>

struct ehframe {
    const uint8_t *bytes; /* copy of .eh_frame */
    size_t n;
    uint64_t address;   /* where bytes[0] stands in the process */
    uint64_t low, high; /* the module's executable range; rows are relative to low */

    /* Called every millisecond or so, since a large module takes 50; NULL: the caller has nothing else to do. */
    void (*meanwhile)(void);
};

/* Malloc'ed rows sorted by pc, gaps between functions as ROW_NONE. *n_rows 0 and *rows NULL where there are
 * none. Malformed entries are skipped, not fatal. */
enum status ehframe_rows(const struct ehframe *in, struct row **rows, uint32_t *n_rows);

#endif
