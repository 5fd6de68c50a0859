#include "sig/cwalk.h"

#include "sig/callsite.h"
#include "sig/footing.h"
#include "sig/memo.h"
#include "sig/rows.h"
#include "sig/saferead.h"

#include <stdbool.h>
#include <stddef.h>

/* A caller's frame pointer further up than this is taken for data: no sane frame is larger, and the check
 * keeps a walk without rows from wandering into other mappings. */
#define MAX_FRAME_BYTES (1u << 20)

#define PLT_ENTRY_BYTES 16u

/* More than assembler pushes: x86-64 has six registers that a function must give back. */
#define PUSHES_MAX 7

enum step { STEP_OK, STEP_END, STEP_LOST, STEP_NEEDS_BX };

struct walk {
    const struct rows_map *map;
    struct saferead memory;
    struct regs regs;
    bool exact;       /* regs.pc is an interrupted instruction, not a return address */
    bool guessed;     /* a frame pointer was believed without a row that says so */
    bool at_start;    /* the last frame is that where the thread began */
    bool follows_bx;  /* from the innermost frame on: half as fast, for the one in thousands that needs it */
    bool bx_is_known; /* then bx is the caller's rbx */
    uint64_t bx;
};

/* The context is not on the way up the stack: what is known of that stays as it is. */
static bool read_register(const struct walk *w, unsigned number, uint64_t *value)
{
    struct saferead aside = {0};
    return w->exact && w->regs.context && saferead_u64(&aside, w->regs.context + regs_offset_of(number), value);
}

static void begin_bx(struct walk *w)
{
    w->bx_is_known = w->follows_bx && REGS_DWARF_BX < REGS_NUMBERED && read_register(w, REGS_DWARF_BX, &w->bx);
}

static enum step step_out_of_signal_frame(struct walk *w)
{
    uint64_t context = w->regs.sp + REGS_SIGNAL_FRAME_UCONTEXT;
    struct regs up = {.context = context};
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
    begin_bx(w);
    return up.pc ? STEP_OK : STEP_END;
}

/* From here on what is read is asked for first: a guess may lead anywhere. */
static void begin_guessing(struct walk *w)
{
    if (!w->guessed)
        w->memory = (struct saferead){0};
    w->guessed = true;
}

static bool is_known_code(const struct walk *w, uint64_t pc)
{
    return (w->map->memo && memo_get(w->map->memo, pc)) || rows_module_of(w->map, pc - 1);
}

/* Code without rows: assembler, a JIT. Believed only if it leads to a plausible frame, behind a call in known code.
 * What no file holds is called through a pointer: behind another call stands the caller's caller, as it does where a
 * JIT keeps no frame pointer, and whoever called the JIT would be left out. */
static enum step step_by_frame_pointer(struct walk *w)
{
    uint64_t fp = w->regs.fp, up_fp, up_pc;
    begin_guessing(w);
    if (fp < w->regs.sp || fp - w->regs.sp > MAX_FRAME_BYTES || !saferead_u64(&w->memory, fp, &up_fp) ||
        !saferead_u64(&w->memory, fp + 8, &up_pc))
        return STEP_LOST;
    up_pc = REGS_RETURN_ADDRESS(up_pc);
    if (!up_pc)
        return STEP_END;
    enum callsite call = is_known_code(w, up_pc) ? callsite_before(up_pc) : CALLSITE_NONE;
    if (call == CALLSITE_NONE || (call == CALLSITE_DIRECT && !is_known_code(w, w->regs.pc)))
        return STEP_LOST;
    w->regs = (struct regs){.pc = up_pc, .sp = fp + 16, .fp = up_fp};
    w->exact = w->bx_is_known = false;
    return STEP_OK;
}

/* Assembler that pushes and does not say so in its rows (libc's arithmetic on big numbers): from where the return
 * address should be, up to the first word that is one. The caller's frame pointer may be among what was pushed. */
static enum step step_over_pushes(struct walk *w, uint64_t at)
{
    uint64_t fp = w->regs.fp, word;
    begin_guessing(w);
    for (int i = 0; i < PUSHES_MAX && saferead_u64(&w->memory, at, &word); i++, at += 8) {
        if (rows_module_of(w->map, word - 1) && callsite_before(word) != CALLSITE_NONE) {
            w->regs = (struct regs){.pc = word, .sp = at + 8, .fp = fp};
            w->exact = w->bx_is_known = false;
            return STEP_OK;
        }
        if (word > at && word - at < MAX_FRAME_BYTES && word % 8 == 0)
            fp = word;
    }
    return STEP_LOST;
}

/* The kinds that are met once in thousands of frames. */
static enum step find_rare_cfa(struct walk *w, const struct row *row, uint64_t *cfa)
{
    uint64_t offset = (uint64_t)(int64_t)row->cfa_offset, sp = w->regs.sp, value;
    bool found = false;
    switch (row->cfa) {
    case ROW_SP_DEREF:
        found = saferead_u64(&w->memory, sp + offset, cfa);
        *cfa += row->operand;
        break;
    case ROW_FP_DEREF:
        found = saferead_u64(&w->memory, w->regs.fp + offset, cfa);
        *cfa += row->operand;
        break;
    case ROW_PLT:
        found = true;
        *cfa = sp + 8 + (w->regs.pc % PLT_ENTRY_BYTES >= offset ? 8 : 0);
        break;
    case ROW_BX:
        if (!w->follows_bx)
            return STEP_NEEDS_BX;
        found = w->bx_is_known;
        *cfa = w->bx + offset;
        break;
    case ROW_REGISTER:
        found = read_register(w, row->operand, &value);
        *cfa = value + offset;
        break;
    case ROW_INDEXED:
        found = read_register(w, row->operand, &value) && saferead_u64(&w->memory, sp + offset + 8 * value, cfa);
        *cfa += 8;
        break;
    default: break;
    }
    return found ? STEP_OK : STEP_LOST;
}

static void step_bx(struct walk *w, const struct row *row, uint64_t cfa)
{
    if (row->bx_offset == ROW_UNKNOWN)
        w->bx_is_known = false;
    else if (row->bx_offset != ROW_UNCHANGED)
        w->bx_is_known = saferead_u64(&w->memory, cfa + (uint64_t)(int64_t)row->bx_offset, &w->bx);
}

/* A row for "in place" goes on, in compilers' words, for the instructions after fp was given back. */
static bool step_fp(struct walk *w, const struct row *row, uint64_t cfa, uint64_t *fp)
{
    if (row->fp_offset == ROW_UNCHANGED)
        return true;
    if (row->fp_offset == ROW_FP_IN_PLACE)
        return *fp < w->regs.sp || *fp >= cfa || saferead_u64(&w->memory, *fp, fp);
    return saferead_u64(&w->memory, cfa + (uint64_t)(int64_t)row->fp_offset, fp);
}

static inline enum step step_by_row(struct walk *w, const struct row *row)
{
    uint64_t cfa = (uint64_t)(int64_t)row->cfa_offset, pc = w->regs.lr, fp = w->regs.fp;
    if (row->cfa == ROW_SP || row->cfa == ROW_FP) {
        cfa += row->cfa == ROW_SP ? w->regs.sp : fp;
    } else {
        enum step found = find_rare_cfa(w, row, &cfa);
        if (found != STEP_OK)
            return found;
    }
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
    if (!step_fp(w, row, cfa, &fp))
        return STEP_LOST;
    pc = REGS_RETURN_ADDRESS(pc);
    if (!pc)
        return STEP_END;
    if (w->exact && row->ra_offset != ROW_UNCHANGED && !is_known_code(w, pc) && callsite_before(pc) == CALLSITE_NONE)
        return step_over_pushes(w, cfa + (uint64_t)(int64_t)row->ra_offset);
    if (w->follows_bx)
        step_bx(w, row, cfa);
    w->regs = (struct regs){.pc = pc, .sp = cfa, .fp = fp};
    w->exact = false;
    return STEP_OK;
}

/* The memo does not know of rbx. */
static inline void find_row(const struct walk *w, uint64_t pc, struct row *row)
{
    struct rows_memo *memo = w->follows_bx ? NULL : w->map->memo;
    uint32_t packed = memo ? memo_get(memo, pc + 1) : 0;
    if (packed) {
        memo_unpack(packed, row);
        return;
    }
    const struct rows_module *module = rows_module_of(w->map, pc);
    const struct row *found = module ? rows_find(module, pc) : NULL;
    *row = found ? *found : (struct row){.cfa = ROW_NONE};
    if (memo && found)
        memo_put(memo, pc + 1, row);
}

static inline enum step step(struct walk *w)
{
    /* A return address may be the first byte behind a call that never returns, that is, in the next
     * function: the row is that of the call. */
    uint64_t pc = w->exact ? w->regs.pc : w->regs.pc - 1;
    struct row row;
    find_row(w, pc, &row);
    /* __restore_rt is reached by return, at its first instruction: its row begins one byte early for that
     * reason (the compiler's convention), so pc - 1 finds it. */
    switch (row.cfa) {
    case ROW_END: w->at_start = true; return STEP_END;
    case ROW_SIGNAL: return step_out_of_signal_frame(w);
    case ROW_NONE: return step_by_frame_pointer(w);
    default: return step_by_row(w, &row);
    }
}

/* Most frames are plain: the row is remembered, the return address below the CFA, and what is to be read known to be
 * there. As far as that goes, in registers alone: a few ns a frame, which is what the limits on a sample's cost are
 * about. Says the same as step(). */
static uint16_t climb_plain(struct walk *w, uint16_t depth, uint16_t most, struct record *record)
{
    const uint64_t low = w->memory.low, high = w->memory.high;
    struct rows_memo *memo = w->map->memo;
    uint64_t pc = w->regs.pc, sp = w->regs.sp, fp = w->regs.fp;
    while (depth < most) {
        uint32_t packed = memo_get(memo, pc), fp_words = memo_fp(packed);
        uint64_t cfa = 8 * (uint64_t)memo_cfa_words(packed);
        if (memo_is_plain(packed, MEMO_SP))
            cfa += sp;
        else if (memo_is_plain(packed, MEMO_FP))
            cfa += fp;
        else
            break;
        uint64_t fp_at = cfa - 8 * (uint64_t)fp_words;
        if (cfa <= sp || cfa <= low || cfa > high || fp_at < low || cfa & 7 || fp_words == MEMO_FP_IN_PLACE)
            break;
        uint64_t up = REGS_RETURN_ADDRESS(saferead_load(cfa - 8));
        if (!up)
            break;
        if (fp_words)
            fp = saferead_load(fp_at);
        pc = up;
        sp = cfa;
        record->pc[depth++] = pc;
    }
    w->regs = (struct regs){.pc = pc, .sp = sp, .fp = fp};
    return depth;
}

/* Until the walk ends, with what it ended by; STEP_OK: there is more. */
static enum step climb(struct walk *w, uint16_t most, struct record *record)
{
    const bool may_be_plain = w->map->memo && !w->follows_bx;
    uint16_t depth = 1;
    record->pc[0] = w->regs.pc;
    for (;;) {
        if (may_be_plain && !w->exact)
            depth = climb_plain(w, depth, most, record);
        record->depth = depth;
        enum step result = step(w);
        if (result != STEP_OK || depth >= most)
            return result;
        record->pc[depth++] = w->regs.pc + w->exact;
    }
}

static void walk(const struct walk *from, uint16_t most, struct record *record, struct walk *w)
{
    enum step result = STEP_LOST;
    *w = *from;
    if (w->map)
        result = climb(w, most, record);
    if (result == STEP_NEEDS_BX) {
        *w = *from;
        w->follows_bx = true;
        begin_bx(w);
        result = climb(w, most, record);
    }
    if (result == STEP_LOST)
        record->flags |= RECORD_PARTIAL;
    else if (result == STEP_OK)
        record->flags |= RECORD_TRUNCATED;
}

void cwalk(struct regs regs, struct record *record)
{
    const uint32_t time = footing_time();
    const struct walk from = {.map = rows_current(), .regs = regs, .exact = true, .memory = footing_at(regs.sp)};
    struct walk w;
    record->pc[0] = regs.pc;
    record->depth = 1;
    walk(&from, RECORD_MAX_FRAMES, record, &w);
    if (w.at_start && !w.guessed)
        footing_keep(regs.sp, &w.memory, time);
    if (record->flags & RECORD_PARTIAL && w.map && !is_known_code(&w, w.regs.pc))
        rows_want();
}

/* What the thread stands on is there, and need not be asked for. */
void cwalk_own(struct regs regs, uint16_t most, struct record *record)
{
    const struct walk from = {
        .map = rows_current(), .regs = regs, .exact = true, .memory = {regs.sp, (regs.sp | (SAFEREAD_PAGE - 1)) + 1}};
    struct walk w;
    record->pc[0] = regs.pc;
    record->depth = 1;
    walk(&from, most, record, &w);
}
