#include "sig/cwalk.h"

#include "sig/rows.h"
#include "sig/saferead.h"

#include <stdbool.h>
#include <stddef.h>

/* A caller's frame pointer further up than this is taken for data: no sane frame is larger, and the check
 * keeps a walk without rows from wandering into other mappings. */
#define MAX_FRAME_BYTES (1u << 20)

#define PLT_ENTRY_BYTES 16u

#define PAGE_BYTES 4096u /* the smallest page of the supported machines */

enum step { STEP_OK, STEP_END, STEP_LOST };

struct walk {
    const struct rows_map *map;
    struct saferead memory;
    struct regs regs;
    bool exact; /* regs.pc is an interrupted instruction, not a return address */
};

static enum step step_out_of_signal_frame(struct walk *w)
{
    uint64_t context = w->regs.sp + REGS_SIGNAL_FRAME_UCONTEXT;
    struct regs up = {0};
    if (!saferead_u64(&w->memory, context + REGS_UCONTEXT_PC, &up.pc) ||
        !saferead_u64(&w->memory, context + REGS_UCONTEXT_SP, &up.sp) ||
        !saferead_u64(&w->memory, context + REGS_UCONTEXT_FP, &up.fp))
        return STEP_LOST;
#ifdef REGS_UCONTEXT_LR
    if (!saferead_u64(&w->memory, context + REGS_UCONTEXT_LR, &up.lr))
        return STEP_LOST;
#endif
    w->regs = up;
    w->exact = true;
    return up.pc ? STEP_OK : STEP_END;
}

/* Code without rows: assembler, a JIT. Believed only if it leads to a plausible frame in known code. */
static enum step step_by_frame_pointer(struct walk *w)
{
    uint64_t fp = w->regs.fp, up_fp, up_pc;
    if (fp < w->regs.sp || fp - w->regs.sp > MAX_FRAME_BYTES || !saferead_u64(&w->memory, fp, &up_fp) ||
        !saferead_u64(&w->memory, fp + 8, &up_pc))
        return STEP_LOST;
    up_pc = REGS_RETURN_ADDRESS(up_pc);
    if (!up_pc)
        return STEP_END;
    if (!rows_module_of(w->map, up_pc))
        return STEP_LOST;
    w->regs = (struct regs){.pc = up_pc, .sp = fp + 16, .fp = up_fp};
    w->exact = false;
    return STEP_OK;
}

static bool find_cfa(struct walk *w, const struct row *row, uint64_t *cfa)
{
    uint64_t offset = (uint64_t)(int64_t)row->cfa_offset;
    switch (row->cfa) {
    case ROW_SP: *cfa = w->regs.sp + offset; return true;
    case ROW_FP: *cfa = w->regs.fp + offset; return true;
    case ROW_SP_DEREF: return saferead_u64(&w->memory, w->regs.sp + offset, cfa);
    case ROW_FP_DEREF: return saferead_u64(&w->memory, w->regs.fp + offset, cfa);
    case ROW_PLT: *cfa = w->regs.sp + 8 + (w->regs.pc % PLT_ENTRY_BYTES >= offset ? 8 : 0); return true;
    default: return false;
    }
}

static enum step step_by_row(struct walk *w, const struct row *row)
{
    uint64_t cfa, pc = w->regs.lr, fp = w->regs.fp;
    if (!find_cfa(w, row, &cfa))
        return STEP_LOST;
    /* The CFA is above everything the frame owns. A leaf that has pushed nothing may stand at its own CFA on
     * aarch64 (return address in lr); any other frame that does not move up is a broken chain. */
    if (cfa < w->regs.sp || (cfa == w->regs.sp && row->ra_offset != ROW_UNCHANGED))
        return STEP_LOST;
    if (row->ra_offset == ROW_UNCHANGED) {
        if (!w->exact) /* only the innermost frame still has its return address in a register */
            return STEP_LOST;
    } else if (!saferead_u64(&w->memory, cfa + (uint64_t)(int64_t)row->ra_offset, &pc)) {
        return STEP_LOST;
    }
    uint64_t fp_at = row->fp_offset == ROW_FP_IN_PLACE ? fp : cfa + (uint64_t)(int64_t)row->fp_offset;
    if (row->fp_offset != ROW_UNCHANGED && !saferead_u64(&w->memory, fp_at, &fp))
        return STEP_LOST;
    if (!pc)
        return STEP_END;
    w->regs = (struct regs){.pc = REGS_RETURN_ADDRESS(pc), .sp = cfa, .fp = fp};
    w->exact = false;
    return STEP_OK;
}

static enum step step(struct walk *w)
{
    /* A return address may be the first byte behind a call that never returns, that is, in the next
     * function: the row is that of the call. */
    uint64_t pc = w->exact ? w->regs.pc : w->regs.pc - 1;
    const struct rows_module *module = rows_module_of(w->map, pc);
    const struct row *row = module ? rows_find(module, pc) : NULL;
    /* __restore_rt is reached by return, at its first instruction: its row begins one byte early for that
     * reason (the compiler's convention), so pc - 1 finds it. */
    switch (row ? row->cfa : ROW_NONE) {
    case ROW_END: return STEP_END;
    case ROW_SIGNAL: return step_out_of_signal_frame(w);
    case ROW_NONE: return step_by_frame_pointer(w);
    default: return step_by_row(w, row);
    }
}

static void walk(struct walk *w, uint16_t most, struct record *record)
{
    record->pc[0] = w->regs.pc;
    record->depth = 1;
    if (!w->map) {
        record->flags |= RECORD_PARTIAL;
        return;
    }
    for (;;) {
        enum step result = step(w);
        if (result == STEP_END)
            return;
        if (result == STEP_LOST) {
            record->flags |= RECORD_PARTIAL;
            return;
        }
        if (record->depth >= most) {
            record->flags |= RECORD_TRUNCATED;
            return;
        }
        record->pc[record->depth++] = w->regs.pc + w->exact;
    }
}

void cwalk(struct regs regs, struct record *record)
{
    struct walk w = {.map = rows_current(), .regs = regs, .exact = true};
    walk(&w, RECORD_MAX_FRAMES, record);
}

/* What the thread stands on is there, and need not be asked for. */
void cwalk_own(struct regs regs, uint16_t most, struct record *record)
{
    struct walk w = {
        .map = rows_current(), .regs = regs, .exact = true, .memory = {regs.sp, (regs.sp | (PAGE_BYTES - 1)) + 1}};
    walk(&w, most, record);
}
