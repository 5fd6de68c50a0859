/*
 * Call frame instructions: the little program behind each function's entry in .eh_frame, run into rows.
 * Only what a walk needs is followed: the CFA, the return address and the frame pointer.
 */
#ifndef CPROF_SAMPLER_CFI_H
#define CPROF_SAMPLER_CFI_H

#include "sig/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads forward, never past end; the first read that would sets bad and all give 0 from then on. */
struct cfi_reader {
    const uint8_t *at, *end;
    bool bad;
};

uint8_t cfi_u8(struct cfi_reader *r);
uint16_t cfi_u16(struct cfi_reader *r);
uint32_t cfi_u32(struct cfi_reader *r);
uint64_t cfi_u64(struct cfi_reader *r);
uint64_t cfi_uleb(struct cfi_reader *r);
int64_t cfi_sleb(struct cfi_reader *r);

/* What a CIE gives its functions. */
struct cfi_rules {
    uint64_t code_factor;
    int64_t data_factor;
    const uint8_t *initial, *initial_end;
    bool signal_frame;
};

struct cfi_rows {
    struct row *at;
    size_t n, cap;
    bool failed; /* out of memory */
};

/* Appends the rows of a function at start (from the module's low address) of size bytes, closed by a
 * ROW_NONE at its end. */
void cfi_run(const struct cfi_rules *rules, struct cfi_reader program, uint32_t start, uint32_t size,
             struct cfi_rows *out);

#endif
