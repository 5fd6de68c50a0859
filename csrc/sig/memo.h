/*
 * Rows that were looked up, by pc: a walk meets the same callers again and again, and a search costs four times what
 * this does.
 *
 * A memo belongs to one rows_map and lives as long: what it says is true of that map and is never taken back. An entry
 * is one word, written and read whole, by handlers on any thread at once: whoever comes last is remembered. It tells
 * all 48 bits of the pc, 11 of them by its place, and the row. Rows of rare kinds or with far offsets do not fit, and
 * are searched for each time.
 */
#ifndef CPROF_SIG_MEMO_H
#define CPROF_SIG_MEMO_H

#include "sig/rows.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MEMO_PC_BITS    48
#define MEMO_PLACE_BITS 12
#define MEMO_ROW_BITS   27
#define MEMO_TAG_SHIFT  11 /* one bit of the place is in the tag as well: it tells one place of a key from the other */

/* Zeroed it is empty: no row is packed to 0. */
struct rows_memo {
    _Atomic uint64_t at[1 << MEMO_PLACE_BITS];
};

/* From the low end: the CFA 13 bits, the frame pointer 10, the kind 2, the return address 2; all distances in words. */
#define MEMO_CFA_LIMIT    (1u << 13)
#define MEMO_FP_SHIFT     13
#define MEMO_FP_LIMIT     ((1u << 10) - 1)
#define MEMO_FP_UNCHANGED 0u /* else words below the CFA */
#define MEMO_FP_IN_PLACE  MEMO_FP_LIMIT
#define MEMO_KIND_SHIFT   23
enum memo_kind { MEMO_SP = 1, MEMO_FP, MEMO_END };
#define MEMO_RA_SHIFT 25
enum memo_ra { MEMO_RA_IN_REGISTER, MEMO_RA_BELOW_CFA, MEMO_RA_ABOVE_FP };

static inline uint32_t memo_cfa_words(uint32_t packed)
{
    return packed & (MEMO_CFA_LIMIT - 1);
}

static inline uint32_t memo_fp(uint32_t packed)
{
    return packed >> MEMO_FP_SHIFT & MEMO_FP_LIMIT;
}

static inline enum memo_kind memo_kind(uint32_t packed)
{
    return packed >> MEMO_KIND_SHIFT & 3;
}

static inline enum memo_ra memo_ra(uint32_t packed)
{
    return packed >> MEMO_RA_SHIFT & 3;
}

/* The return address is below the CFA, which is counted from kind. */
static inline bool memo_is_plain(uint32_t packed, enum memo_kind kind)
{
    return packed >> MEMO_KIND_SHIFT == (kind | MEMO_RA_BELOW_CFA << (MEMO_RA_SHIFT - MEMO_KIND_SHIFT));
}

/* 0 where the row does not fit. */
uint32_t memo_pack(const struct row *row);
void memo_unpack(uint32_t packed, struct row *row);

/* A key has two places: two callers with the same end need not push each other out. */
static inline uint32_t memo_place(uint64_t key)
{
    return (uint32_t)key & ((1u << MEMO_PLACE_BITS) - 1);
}

static inline uint32_t memo_other_place(uint32_t place)
{
    return place ^ 1u << MEMO_TAG_SHIFT;
}

static inline bool memo_holds(uint64_t entry, uint64_t key)
{
    return entry >> MEMO_ROW_BITS == key >> MEMO_TAG_SHIFT;
}

/* The row, packed; 0 where it is not remembered. key: the byte behind the one whose row it is, as a return address is.
 * Branches and no conditional moves: the processor goes on with its guess while the entry is still on its way. */
static inline uint32_t memo_get(struct rows_memo *memo, uint64_t key)
{
    uint32_t place = memo_place(key);
    uint64_t entry = atomic_load_explicit(&memo->at[place], memory_order_relaxed);
    if (__builtin_expect(!memo_holds(entry, key), 0)) {
        entry = atomic_load_explicit(&memo->at[memo_other_place(place)], memory_order_relaxed);
        if (!memo_holds(entry, key))
            return 0;
    }
    return (uint32_t)entry & ((1u << MEMO_ROW_BITS) - 1);
}

void memo_put(struct rows_memo *memo, uint64_t key, const struct row *row);

#endif
