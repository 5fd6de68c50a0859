#include "sig/memo.h"

static bool pack_fp(const struct row *row, uint32_t *fp)
{
    *fp = MEMO_FP_UNCHANGED;
    if (row->fp_offset == ROW_UNCHANGED)
        return true;
    *fp = MEMO_FP_IN_PLACE;
    if (row->fp_offset == ROW_FP_IN_PLACE)
        return true;
    *fp = (uint32_t)(-row->fp_offset / 8);
    return row->fp_offset < 0 && row->fp_offset % 8 == 0 && *fp < MEMO_FP_IN_PLACE;
}

static bool pack_ra(const struct row *row, uint32_t *ra)
{
    bool fp_is_stored = row->fp_offset != ROW_UNCHANGED && row->fp_offset != ROW_FP_IN_PLACE;
    *ra = MEMO_RA_IN_REGISTER;
    if (row->ra_offset == ROW_UNCHANGED)
        return true;
    *ra = MEMO_RA_BELOW_CFA;
    if (row->ra_offset == -8)
        return true;
    *ra = MEMO_RA_ABOVE_FP;
    return fp_is_stored && row->ra_offset == row->fp_offset + 8;
}

uint32_t memo_pack(const struct row *row)
{
    uint32_t fp, ra;
    if (row->cfa == ROW_END)
        return (uint32_t)MEMO_END << MEMO_KIND_SHIFT;
    if (row->cfa != ROW_SP && row->cfa != ROW_FP)
        return 0;
    if (row->cfa_offset < 0 || row->cfa_offset % 8 || row->cfa_offset / 8 >= (int32_t)MEMO_CFA_LIMIT ||
        !pack_fp(row, &fp) || !pack_ra(row, &ra))
        return 0;
    uint32_t kind = row->cfa == ROW_SP ? MEMO_SP : MEMO_FP;
    return (uint32_t)row->cfa_offset / 8 | fp << MEMO_FP_SHIFT | kind << MEMO_KIND_SHIFT | ra << MEMO_RA_SHIFT;
}

void memo_unpack(uint32_t packed, struct row *row)
{
    uint32_t fp = memo_fp(packed);
    enum memo_ra ra = memo_ra(packed);
    enum memo_kind kind = memo_kind(packed);
    *row = (struct row){.cfa = kind == MEMO_SP   ? ROW_SP
                               : kind == MEMO_FP ? ROW_FP
                                                 : ROW_END,
                        .cfa_offset = (int32_t)memo_cfa_words(packed) * 8,
                        .fp_offset = (int16_t)(-8 * (int)fp),
                        .ra_offset = ROW_UNCHANGED,
                        .bx_offset = ROW_UNKNOWN};
    if (fp == MEMO_FP_UNCHANGED)
        row->fp_offset = ROW_UNCHANGED;
    else if (fp == MEMO_FP_IN_PLACE)
        row->fp_offset = ROW_FP_IN_PLACE;
    if (ra == MEMO_RA_BELOW_CFA)
        row->ra_offset = -8;
    else if (ra == MEMO_RA_ABOVE_FP)
        row->ra_offset = (int16_t)(row->fp_offset + 8);
}

/* The other place of the two is taken where the first is: who comes later does not push out what is there, but what
 * came later before. */
void memo_put(struct rows_memo *memo, uint64_t key, const struct row *row)
{
    uint64_t packed = memo_pack(row);
    uint32_t place = memo_place(key);
    if (!packed || key >> MEMO_PC_BITS)
        return;
    if (atomic_load_explicit(&memo->at[place], memory_order_relaxed))
        place = memo_other_place(place);
    atomic_store_explicit(&memo->at[place], key >> MEMO_TAG_SHIFT << MEMO_ROW_BITS | packed, memory_order_relaxed);
}
