#include "sampler/cfi.h"

#include "sig/regs.h"

#include <stdlib.h>
#include <string.h>

/* DW_CFA_*, DWARF 5 section 7.24 and the GNU additions. */
enum {
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_AARCH64_NEGATE_RA_STATE = 0x2d,
    CFA_GNU_ARGS_SIZE = 0x2e,
};

/* DW_OP_* that compilers and linkers use for a CFA. */
enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_MUL = 0x1e,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
};

#define STATES_MAX 16 /* nested remember_state; compilers write one or two */

uint8_t cfi_u8(struct cfi_reader *r)
{
    if (r->bad || r->at >= r->end) {
        r->bad = true;
        return 0;
    }
    return *r->at++;
}

static uint64_t little(struct cfi_reader *r, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)cfi_u8(r) << (8 * i);
    return value;
}

uint16_t cfi_u16(struct cfi_reader *r)
{
    return (uint16_t)little(r, 2);
}

uint32_t cfi_u32(struct cfi_reader *r)
{
    return (uint32_t)little(r, 4);
}

uint64_t cfi_u64(struct cfi_reader *r)
{
    return little(r, 8);
}

uint64_t cfi_uleb(struct cfi_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = cfi_u8(r);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

int64_t cfi_sleb(struct cfi_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
        uint8_t byte = cfi_u8(r);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80)
            continue;
        if (shift < 64 && (byte & 0x40))
            value |= ~UINT64_C(0) << shift;
        return (int64_t)value;
    }
}

/* The rules at one instruction. reg and offset tell the CFA unless cfa is set to a special kind. */
struct state {
    uint64_t reg;
    int64_t offset;
    uint8_t special; /* ROW_NONE: none; else ROW_*_DEREF, ROW_INDEXED or ROW_PLT with offset */
    uint8_t operand;
    bool cfa_unknown;
    bool ra_undefined, ra_unknown;
    bool fp_unknown, bx_unknown;
    int64_t ra, fp, bx; /* from the CFA, INT64_MIN = unchanged */
};

#define UNCHANGED   INT64_MIN
#define FP_IN_PLACE (INT64_MIN + 1)

static bool fits_int16(int64_t v)
{
    return v == UNCHANGED || v == FP_IN_PLACE || (v > ROW_UNKNOWN && v <= INT16_MAX);
}

static uint8_t row_kind(const struct cfi_rules *rules, const struct state *s)
{
    if (rules->signal_frame)
        return ROW_SIGNAL;
    if (s->ra_undefined)
        return ROW_END;
    if (s->cfa_unknown || s->ra_unknown || s->fp_unknown || !fits_int16(s->ra) || !fits_int16(s->fp) ||
        s->offset > INT32_MAX || s->offset < INT32_MIN)
        return ROW_NONE;
    if (s->special)
        return s->special;
    switch (s->reg) {
    case REGS_DWARF_SP: return ROW_SP;
    case REGS_DWARF_FP: return ROW_FP;
    case REGS_DWARF_BX: return ROW_BX;
    default: return s->reg < REGS_NUMBERED ? ROW_REGISTER : ROW_NONE;
    }
}

static int16_t row_bx(const struct state *s)
{
    if (s->bx_unknown || !fits_int16(s->bx))
        return ROW_UNKNOWN;
    return s->bx == UNCHANGED ? ROW_UNCHANGED : (int16_t)s->bx;
}

static void append(struct cfi_rows *out, struct row row)
{
    if (out->failed)
        return;
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 1024;
        struct row *grown = realloc(out->at, cap * sizeof *grown);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->at = grown;
        out->cap = cap;
    }
    out->at[out->n++] = row;
}

static void emit(const struct cfi_rules *rules, const struct state *s, uint64_t pc, struct cfi_rows *out)
{
    struct row row = {.pc = (uint32_t)pc, .cfa = row_kind(rules, s)};
    if (row.cfa != ROW_NONE && row.cfa != ROW_END && row.cfa != ROW_SIGNAL) {
        row.cfa_offset = (int32_t)s->offset;
        row.ra_offset = s->ra == UNCHANGED ? ROW_UNCHANGED : (int16_t)s->ra;
        row.fp_offset = s->fp == UNCHANGED ? ROW_UNCHANGED : s->fp == FP_IN_PLACE ? ROW_FP_IN_PLACE : (int16_t)s->fp;
        row.bx_offset = row_bx(s);
        row.operand = row.cfa == ROW_REGISTER ? (uint8_t)s->reg : s->special ? s->operand : 0;
    }
    append(out, row);
}

static void set_rule(struct state *s, uint64_t reg, int64_t offset)
{
    if (reg == REGS_DWARF_RA) {
        s->ra = offset;
        s->ra_undefined = s->ra_unknown = false;
    } else if (reg == REGS_DWARF_FP) {
        s->fp = offset;
        s->fp_unknown = false;
    } else if (reg == REGS_DWARF_BX) {
        s->bx = offset;
        s->bx_unknown = false;
    }
}

static void set_unknown(struct state *s, uint64_t reg)
{
    if (reg == REGS_DWARF_RA)
        s->ra_unknown = true;
    else if (reg == REGS_DWARF_FP)
        s->fp_unknown = true;
    else if (reg == REGS_DWARF_BX)
        s->bx_unknown = true;
}

static void restore_rule(struct state *s, const struct state *initial, uint64_t reg)
{
    if (reg == REGS_DWARF_RA) {
        s->ra = initial->ra;
        s->ra_undefined = initial->ra_undefined;
        s->ra_unknown = initial->ra_unknown;
    } else if (reg == REGS_DWARF_FP) {
        s->fp = initial->fp;
        s->fp_unknown = initial->fp_unknown;
    } else if (reg == REGS_DWARF_BX) {
        s->bx = initial->bx;
        s->bx_unknown = initial->bx_unknown;
    }
}

static void define_cfa(struct state *s, uint64_t reg, int64_t offset)
{
    s->reg = reg;
    s->offset = offset;
    s->special = ROW_NONE;
    s->cfa_unknown = false;
}

static struct cfi_reader take_block(struct cfi_reader *r)
{
    uint64_t n = cfi_uleb(r);
    if (r->bad || n > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return (struct cfi_reader){r->at, r->at, true};
    }
    struct cfi_reader block = {r->at, r->at + n, false};
    r->at += n;
    return block;
}

/* The lazy-binding stub of x86-64 linkers: sp + 8 + (((pc & 15) >= k) << 3). */
static bool read_plt(struct cfi_reader e, int64_t *threshold)
{
    uint8_t k;
    bool is = cfi_u8(&e) == OP_BREG0 + REGS_DWARF_SP && cfi_sleb(&e) == 8 && cfi_u8(&e) == OP_BREG0 + 16 &&
              cfi_sleb(&e) == 0 && cfi_u8(&e) == OP_LIT0 + 15 && cfi_u8(&e) == OP_AND && (k = cfi_u8(&e)) >= OP_LIT0 &&
              k <= OP_LIT31 && cfi_u8(&e) == OP_GE && cfi_u8(&e) == OP_LIT0 + 3 && cfi_u8(&e) == OP_SHL &&
              cfi_u8(&e) == OP_PLUS && !e.bad && e.at == e.end;
    if (is)
        *threshold = k - OP_LIT0;
    return is;
}

/* Where code of assembler has put its caller's stack pointer: *(sp + offset) + a, *(fp + offset) + a. */
static bool read_deref(struct cfi_reader e, struct state *s)
{
    uint8_t op = cfi_u8(&e);
    int64_t offset = cfi_sleb(&e);
    uint64_t more = 0;
    if (cfi_u8(&e) != OP_DEREF || (op != OP_BREG0 + REGS_DWARF_SP && op != OP_BREG0 + REGS_DWARF_FP))
        return false;
    if (e.at < e.end) {
        if (cfi_u8(&e) != OP_PLUS_UCONST)
            return false;
        more = cfi_uleb(&e);
    }
    if (e.bad || e.at != e.end || more > UINT8_MAX)
        return false;
    s->special = op == OP_BREG0 + REGS_DWARF_SP ? ROW_SP_DEREF : ROW_FP_DEREF;
    s->offset = offset;
    s->operand = (uint8_t)more;
    return true;
}

/* The same behind an array of words on the stack: *(sp + offset + register * 8) + 8. */
static bool read_indexed(struct cfi_reader e, struct state *s)
{
    bool is = cfi_u8(&e) == OP_BREG0 + REGS_DWARF_SP;
    int64_t offset = cfi_sleb(&e);
    uint8_t op = cfi_u8(&e);
    is = is && op >= OP_BREG0 && op < OP_BREG0 + REGS_NUMBERED && cfi_sleb(&e) == 0 && cfi_u8(&e) == OP_LIT0 + 8 &&
         cfi_u8(&e) == OP_MUL && cfi_u8(&e) == OP_PLUS && cfi_u8(&e) == OP_DEREF && cfi_u8(&e) == OP_PLUS_UCONST &&
         cfi_uleb(&e) == 8 && !e.bad && e.at == e.end;
    if (is) {
        s->special = ROW_INDEXED;
        s->offset = offset;
        s->operand = op - OP_BREG0;
    }
    return is;
}

static void define_cfa_by_expression(struct state *s, struct cfi_reader e)
{
    int64_t threshold;
    if (REGS_DWARF_SP == 7 && read_plt(e, &threshold)) {
        s->special = ROW_PLT;
        s->offset = threshold;
        s->cfa_unknown = false;
        return;
    }
    s->cfa_unknown = !read_deref(e, s) && !read_indexed(e, s);
}

/* "The caller's fp is stored where fp points": how a function that realigns its stack says it. With the CFA
 * found through fp as well it has no fixed distance from the CFA, so the walk loads it from there. */
static void define_by_expression(struct state *s, uint64_t reg, struct cfi_reader e)
{
    bool in_place =
        reg == REGS_DWARF_FP && cfi_u8(&e) == OP_BREG0 + REGS_DWARF_FP && cfi_sleb(&e) == 0 && !e.bad && e.at == e.end;
    if (in_place)
        s->fp = FP_IN_PLACE;
    else
        set_unknown(s, reg);
}

static bool run_primary(const struct cfi_rules *rules, struct cfi_reader *p, uint8_t op, struct state *s,
                        const struct state *initial)
{
    uint8_t low = op & 0x3f;
    switch (op & 0xc0) {
    case CFA_OFFSET: set_rule(s, low, (int64_t)cfi_uleb(p) * rules->data_factor); return true;
    case CFA_RESTORE: restore_rule(s, initial, low); return true;
    default: return false;
    }
}

/* Everything that is not an advance. False: an instruction nobody knows, the rest cannot be trusted. */
static bool run_one(const struct cfi_rules *rules, struct cfi_reader *p, uint8_t op, struct state *s,
                    const struct state *initial, struct state *saved, size_t *n_saved)
{
    uint64_t reg;
    if (run_primary(rules, p, op, s, initial))
        return true;
    switch (op) {
    case CFA_NOP:
    case CFA_AARCH64_NEGATE_RA_STATE: return true;
    case CFA_OFFSET_EXTENDED:
        reg = cfi_uleb(p);
        set_rule(s, reg, (int64_t)cfi_uleb(p) * rules->data_factor);
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        reg = cfi_uleb(p);
        set_rule(s, reg, cfi_sleb(p) * rules->data_factor);
        return true;
    case CFA_RESTORE_EXTENDED: restore_rule(s, initial, cfi_uleb(p)); return true;
    case CFA_UNDEFINED:
        reg = cfi_uleb(p);
        if (reg == REGS_DWARF_RA)
            s->ra_undefined = true;
        return true;
    case CFA_SAME_VALUE: set_rule(s, cfi_uleb(p), UNCHANGED); return true;
    case CFA_REGISTER:
        set_unknown(s, cfi_uleb(p));
        cfi_uleb(p);
        return true;
    case CFA_REMEMBER_STATE:
        if (*n_saved == STATES_MAX)
            return false;
        saved[(*n_saved)++] = *s;
        return true;
    case CFA_RESTORE_STATE:
        if (!*n_saved)
            return false;
        *s = saved[--*n_saved];
        return true;
    case CFA_DEF_CFA:
        reg = cfi_uleb(p);
        define_cfa(s, reg, (int64_t)cfi_uleb(p));
        return true;
    case CFA_DEF_CFA_SF:
        reg = cfi_uleb(p);
        define_cfa(s, reg, cfi_sleb(p) * rules->data_factor);
        return true;
    case CFA_DEF_CFA_REGISTER: define_cfa(s, cfi_uleb(p), s->offset); return true;
    case CFA_DEF_CFA_OFFSET: define_cfa(s, s->reg, (int64_t)cfi_uleb(p)); return true;
    case CFA_DEF_CFA_OFFSET_SF: define_cfa(s, s->reg, cfi_sleb(p) * rules->data_factor); return true;
    case CFA_DEF_CFA_EXPRESSION: define_cfa_by_expression(s, take_block(p)); return true;
    case CFA_EXPRESSION:
        reg = cfi_uleb(p);
        define_by_expression(s, reg, take_block(p));
        return true;
    case CFA_VAL_EXPRESSION:
        set_unknown(s, cfi_uleb(p));
        take_block(p);
        return true;
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF:
        set_unknown(s, cfi_uleb(p));
        cfi_uleb(p);
        return true;
    case CFA_GNU_ARGS_SIZE: cfi_uleb(p); return true;
    default: return false;
    }
}

static bool read_advance(struct cfi_reader *p, uint8_t op, uint64_t *units)
{
    if ((op & 0xc0) == CFA_ADVANCE_LOC)
        *units = op & 0x3f;
    else if (op == CFA_ADVANCE_LOC1)
        *units = cfi_u8(p);
    else if (op == CFA_ADVANCE_LOC2)
        *units = cfi_u16(p);
    else if (op == CFA_ADVANCE_LOC4)
        *units = cfi_u32(p);
    else
        return false;
    return true;
}

void cfi_run(const struct cfi_rules *rules, struct cfi_reader program, uint32_t start, uint32_t size,
             struct cfi_rows *out)
{
    struct state s = {.cfa_unknown = true, .ra = UNCHANGED, .fp = UNCHANGED, .bx = UNCHANGED}, initial,
                 saved[STATES_MAX];
    size_t n_saved = 0;
    uint64_t pc = start, end = (uint64_t)start + size, units;
    struct cfi_reader first = {rules->initial, rules->initial_end, false};

    initial = s;
    while (first.at < first.end && !first.bad)
        if (!run_one(rules, &first, cfi_u8(&first), &s, &initial, saved, &n_saved))
            return;
    if (first.bad)
        return;
    initial = s;

    while (program.at < program.end && !program.bad) {
        uint8_t op = cfi_u8(&program);
        if (read_advance(&program, op, &units)) {
            emit(rules, &s, pc, out);
            pc += units * rules->code_factor;
            if (pc >= end)
                break;
        } else if (!run_one(rules, &program, op, &s, &initial, saved, &n_saved)) {
            s.cfa_unknown = true; /* what follows is not known; what was emitted is */
            break;
        }
    }
    if (pc < end)
        emit(rules, &s, pc, out);
    append(out, (struct row){.pc = (uint32_t)end, .cfa = ROW_NONE});
}
