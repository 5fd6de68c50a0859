#include "sampler/ehframe.h"

#include "sampler/cfi.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* DW_EH_PE: how an address is written in .eh_frame. */
enum {
    PE_ABSPTR = 0x00,
    PE_ULEB128 = 0x01,
    PE_UDATA2 = 0x02,
    PE_UDATA4 = 0x03,
    PE_UDATA8 = 0x04,
    PE_SLEB128 = 0x09,
    PE_SDATA2 = 0x0a,
    PE_SDATA4 = 0x0b,
    PE_SDATA8 = 0x0c,
    PE_FORMAT = 0x0f,
    PE_PCREL = 0x10,
    PE_APPLICATION = 0x70,
    PE_OMIT = 0xff,
};

struct cie {
    struct cfi_rules rules; /* code and data factors, initial instructions */
    uint8_t address_encoding;
    bool has_augmentation;
};

static uint64_t read_encoded(struct cfi_reader *r, const struct ehframe *in, uint8_t encoding)
{
    if (encoding == PE_OMIT)
        return 0;
    uint64_t here = in->address + (uint64_t)(r->at - in->bytes), value;
    switch (encoding & PE_FORMAT) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8: value = cfi_u64(r); break;
    case PE_UDATA4: value = cfi_u32(r); break;
    case PE_SDATA4: value = (uint64_t)(int64_t)(int32_t)cfi_u32(r); break;
    case PE_UDATA2: value = cfi_u16(r); break;
    case PE_SDATA2: value = (uint64_t)(int64_t)(int16_t)cfi_u16(r); break;
    case PE_ULEB128: value = cfi_uleb(r); break;
    case PE_SLEB128: value = (uint64_t)cfi_sleb(r); break;
    default: r->bad = true; return 0;
    }
    return (encoding & PE_APPLICATION) == PE_PCREL ? value + here : value;
}

static void read_augmentation(struct cfi_reader *r, const struct ehframe *in, const char *letters, struct cie *cie)
{
    uint64_t length = cfi_uleb(r);
    if (r->bad || length > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return;
    }
    const uint8_t *behind = r->at + length;
    for (const char *c = letters; *c && !r->bad; c++) {
        if (*c == 'R')
            cie->address_encoding = cfi_u8(r);
        else if (*c == 'P')
            read_encoded(r, in, cfi_u8(r));
        else if (*c == 'L')
            cfi_u8(r);
        else if (*c == 'S')
            cie->rules.signal_frame = true;
        else if (*c != 'B') /* aarch64's pointer authentication key: rules follow it by themselves */
            break;          /* unknown letters: the length tells where to go on */
    }
    r->at = behind;
}

static bool read_cie(const struct ehframe *in, size_t offset, struct cie *cie)
{
    *cie = (struct cie){0};
    struct cfi_reader r = {in->bytes + offset, in->bytes + in->n, false};
    uint32_t length = cfi_u32(&r);
    if (r.bad || length < 4 || length > (uint64_t)(r.end - r.at))
        return false;
    r.end = r.at + length;
    if (cfi_u32(&r) != 0)
        return false;
    uint8_t version = cfi_u8(&r);
    const char *letters = (const char *)r.at;
    size_t room = (size_t)(r.end - r.at), letters_n = strnlen(letters, room);
    if (letters_n == room || (version != 1 && version != 3))
        return false;
    r.at += letters_n + 1;
    cie->rules.code_factor = cfi_uleb(&r);
    cie->rules.data_factor = cfi_sleb(&r);
    if (version == 1)
        cfi_u8(&r);
    else
        cfi_uleb(&r);
    if (letters[0] == 'z') {
        cie->has_augmentation = true;
        read_augmentation(&r, in, letters + 1, cie);
    } else if (letters[0]) {
        return false;
    }
    cie->rules.initial = r.at;
    cie->rules.initial_end = r.end;
    return !r.bad;
}

/* A function's entry, in order of addresses. */
struct fde {
    uint32_t start, size;
    uint32_t cie_at;  /* in the section */
    uint32_t program; /* its call frame instructions */
    uint32_t end;
};

struct fdes {
    struct fde *at;
    size_t n, cap;
    bool failed; /* out of memory */
};

/* Its CIE, and whether that can be used: entries of one come in runs, so the last is remembered. */
struct cie_memory {
    struct cie cie;
    size_t at;
    bool good;
};

static bool recall_cie(const struct ehframe *in, size_t at, struct cie_memory *last)
{
    if (at != last->at) {
        last->at = at;
        last->good = read_cie(in, at, &last->cie);
    }
    return last->good;
}

static void append_fde(struct fdes *out, struct fde fde)
{
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 256;
        struct fde *grown = realloc(out->at, cap * sizeof *grown);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->at = grown;
        out->cap = cap;
    }
    out->at[out->n++] = fde;
}

/* One FDE at r (behind its length word and its CIE's place). */
static void read_fde(const struct ehframe *in, struct cfi_reader r, size_t cie_at, const struct cie *cie,
                     struct fdes *out)
{
    uint64_t start = read_encoded(&r, in, cie->address_encoding);
    uint64_t size = read_encoded(&r, in, cie->address_encoding & PE_FORMAT);
    if (cie->has_augmentation) {
        uint64_t skip = cfi_uleb(&r);
        if (r.bad || skip > (uint64_t)(r.end - r.at))
            return;
        r.at += skip;
    }
    if (r.bad || !size || start < in->low || start >= in->high || size > in->high - start)
        return;
    append_fde(out, (struct fde){.start = (uint32_t)(start - in->low),
                                 .size = (uint32_t)size,
                                 .cie_at = (uint32_t)cie_at,
                                 .program = (uint32_t)(r.at - in->bytes),
                                 .end = (uint32_t)(r.end - in->bytes)});
}

#define AT_ONCE 4096 /* a millisecond */

static void look_up(const struct ehframe *in, size_t i)
{
    if (in->meanwhile && i % AT_ONCE == AT_ONCE - 1)
        in->meanwhile();
}

static void read_fdes(const struct ehframe *in, struct fdes *out)
{
    struct cie_memory last = {.at = SIZE_MAX};
    size_t at = 0;
    for (size_t i = 0; in->n - at >= 8 && !out->failed; i++) {
        look_up(in, i);
        struct cfi_reader r = {in->bytes + at, in->bytes + in->n, false};
        uint32_t length = cfi_u32(&r);
        /* 0 ends the section; 0xffffffff would be the 64-bit form, which no compiler of ours writes here. */
        if (length < 4 || length > (uint64_t)(r.end - r.at))
            break;
        r.end = r.at + length;
        size_t id_at = at + 4;
        at += 4 + (size_t)length;
        uint32_t back = cfi_u32(&r);
        /* 0: a CIE, read when an FDE names it */
        if (back && back <= id_at && recall_cie(in, id_at - back, &last))
            read_fde(in, r, id_at - back, &last.cie, out);
    }
}

static int by_start(const void *a, const void *b)
{
    const struct fde *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static bool fdes_sorted(const struct fdes *fdes)
{
    for (size_t i = 1; i < fdes->n; i++)
        if (fdes->at[i].start < fdes->at[i - 1].start)
            return false;
    return true;
}

static void run_fdes(const struct ehframe *in, const struct fdes *fdes, struct cfi_rows *out)
{
    struct cie_memory last = {.at = SIZE_MAX};
    for (size_t i = 0; i < fdes->n && !out->failed; i++) {
        const struct fde *f = &fdes->at[i];
        look_up(in, i);
        struct cfi_reader program = {in->bytes + f->program, in->bytes + f->end, false};
        if (recall_cie(in, f->cie_at, &last))
            cfi_run(&last.cie.rules, program, f->start, f->size, out);
    }
}

static int by_pc(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->pc != y->pc)
        return x->pc < y->pc ? -1 : 1;
    /* At the start of a function, the end mark of the one before it must lose: it sorts first. */
    return (x->cfa != ROW_NONE) - (y->cfa != ROW_NONE);
}

static bool same_rule(const struct row *a, const struct row *b)
{
    return a->cfa == b->cfa && a->cfa_offset == b->cfa_offset && a->ra_offset == b->ra_offset &&
           a->fp_offset == b->fp_offset && a->bx_offset == b->bx_offset && a->operand == b->operand;
}

/* Of rows at one pc the last wins; a row that says the same as the one before says nothing. */
static uint32_t squeeze(struct row *rows, size_t n)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && rows[i + 1].pc == rows[i].pc)
            continue;
        if (kept && same_rule(&rows[kept - 1], &rows[i]))
            continue;
        rows[kept++] = rows[i];
    }
    return kept;
}

/* Only where functions overlap is it not so already. */
static bool rows_sorted(const struct cfi_rows *rows)
{
    for (size_t i = 1; i < rows->n; i++)
        if (rows->at[i].pc < rows->at[i - 1].pc)
            return false;
    return true;
}

enum status ehframe_rows(const struct ehframe *in, struct row **rows, uint32_t *n_rows)
{
    struct fdes fdes = {0};
    struct cfi_rows out = {0};
    read_fdes(in, &fdes);
    if (fdes.at && !fdes_sorted(&fdes))
        qsort(fdes.at, fdes.n, sizeof *fdes.at, by_start);
    if (!fdes.failed)
        run_fdes(in, &fdes, &out);
    free(fdes.at);
    if (fdes.failed || out.failed) {
        free(out.at);
        return STATUS_NOMEM;
    }
    if (out.at && !rows_sorted(&out))
        qsort(out.at, out.n, sizeof *out.at, by_pc);
    *n_rows = out.at ? squeeze(out.at, out.n) : 0;
    *rows = out.at;
    return STATUS_OK;
}
