/*
 * How to step from a frame to its caller, for every instruction of every loaded module: rows made ahead of
 * time out of .eh_frame (sampler/ehframe, on an ordinary thread), looked up here inside the handler.
 *
 * Publication: an ordinary thread builds an immutable struct rows_map and swaps it in by rows_publish. A
 * handler brackets its use by tick's in-handler count, any other walk by rows_enter and rows_leave; a replaced map is
 * freed only after both counts were seen at 0 (sampler/modules). Lookup takes no lock and never enters the loader.
 */
#ifndef CPROF_SIG_ROWS_H
#define CPROF_SIG_ROWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum row_cfa {
    ROW_NONE,     /* nothing known: try the frame pointer */
    ROW_END,      /* the outermost frame: nobody called it */
    ROW_SP,       /* CFA = sp + cfa_offset */
    ROW_FP,       /* CFA = fp + cfa_offset */
    ROW_SP_DEREF, /* CFA = *(sp + cfa_offset) + operand: a realigned stack */
    ROW_FP_DEREF, /* CFA = *(fp + cfa_offset) + operand */
    ROW_PLT,      /* CFA = sp + 8, + 8 more from byte cfa_offset of a 16-byte PLT entry on */
    ROW_SIGNAL,   /* the kernel's signal frame: registers come from the saved context */
    ROW_BX,       /* CFA = rbx + cfa_offset: libc's lazy binding; only here, x86-64, is bx followed at all */
    ROW_REGISTER, /* CFA = register number `operand` + cfa_offset: known of an interrupted function only */
    ROW_INDEXED,  /* CFA = *(sp + cfa_offset + 8 * register number `operand`) + 8: likewise */
};

/* ra_offset, fp_offset and bx_offset are from the CFA. */
#define ROW_UNCHANGED   INT16_MIN       /* fp, bx: still in its register; ra: still in lr (aarch64) */
#define ROW_FP_IN_PLACE (INT16_MIN + 1) /* the caller's fp is stored where fp points */
#define ROW_UNKNOWN     (INT16_MIN + 2) /* bx: nobody can tell */

struct row {
    uint32_t pc; /* from the module's low address; valid up to the next row's */
    int32_t cfa_offset;
    int16_t ra_offset;
    int16_t fp_offset;
    int16_t bx_offset;
    uint8_t cfa; /* enum row_cfa */
    uint8_t operand;
};

/* One executable range with its rows, sorted by pc. rows belongs to whoever publishes. */
struct rows_module {
    uint64_t low, high;
    const struct row *rows;
    uint32_t n_rows;
};

struct rows_map {
    struct rows_memo *memo; /* NULL: nothing is remembered. Whoever publishes gives it, and frees it with the map */
    uint32_t n_modules;
    struct rows_module modules[]; /* sorted by low */
};

/* The map in force, for a walk from here on. NULL before the first publication. */
const struct rows_map *rows_current(void);

/* Puts map in force and returns the replaced one. */
const struct rows_map *rows_publish(const struct rows_map *map);

/* Around a walk outside of tick's handler, with no signal handler of the host's in between: it might not come back. */
void rows_enter(void);
void rows_leave(void);

/* No such walk is under way: what was replaced before the call is no longer looked at by one. */
bool rows_quiet(void);
void rows_after_fork_child(void);

/*
 * Asking for a newer map: a walk that ends in code which no module of the map holds has met what was loaded a moment
 * ago, or what a JIT made. So one such walk may ask, and then none until the map was looked after: again at once if
 * that brought something, later if it did not.
 *
 *   rows_wake     from here on *word is raised, and who waits for it woken; ordinary threads
 *   rows_want     in a handler: asks, if it may
 *   rows_wanted   has somebody asked since rows_answer? any context
 *   rows_answer   whoever refreshes: heard; may: the next walk may ask
 */
void rows_wake(_Atomic uint32_t *word);
void rows_want(void);
bool rows_wanted(void);
void rows_answer(bool may);

/* The module that holds pc, NULL if none does. */
const struct rows_module *rows_module_of(const struct rows_map *map, uint64_t pc);

/* The row for pc in m; NULL where it has none. */
const struct row *rows_find(const struct rows_module *m, uint64_t pc);

#endif
