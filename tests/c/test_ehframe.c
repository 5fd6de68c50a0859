/*
 * .eh_frame to rows: against hand-made sections, and with every byte of a real one damaged in turn. Hosts bring
 * sections that no compiler of ours wrote.
 */
#include "check.h"
#include "sampler/cfi.h"
#include "sampler/ehframe.h"
#include "sig/rows.h"

#include <link.h>
#include <stdlib.h>

#define LOW 0x1000u

struct section {
    uint8_t bytes[512];
    size_t n;
};

static void u8(struct section *s, unsigned v)
{
    s->bytes[s->n++] = (uint8_t)v;
}

static void u32(struct section *s, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        u8(s, v >> (8 * i) & 0xff);
}

static void bytes(struct section *s, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        u8(s, from[i]);
}

/* A CIE as gcc writes it on x86-64: "zR", factors 1 and -8, CFA = rsp + 8, return address at CFA - 8. */
static void put_cie(struct section *s, const char *letters)
{
    size_t at = s->n;
    u32(s, 0);
    u32(s, 0);
    u8(s, 1);
    for (const char *c = letters; *c; c++)
        u8(s, (uint8_t)*c);
    u8(s, 0);
    u8(s, 1);    /* code factor */
    u8(s, 0x78); /* data factor -8 */
    u8(s, 16);   /* return address register */
    u8(s, 1);    /* augmentation length */
    u8(s, 0x0b); /* sdata4, absolute */
    bytes(s, (const uint8_t[]){0x0c, 7, 8, 0x90, 1}, 5);
    uint32_t length = (uint32_t)(s->n - at - 4);
    memcpy(s->bytes + at, &length, 4);
}

static void put_fde(struct section *s, uint32_t start, uint32_t size, const uint8_t *program, size_t n)
{
    size_t at = s->n;
    u32(s, 0);
    u32(s, (uint32_t)(s->n)); /* back to the CIE at 0 */
    u32(s, start);
    u32(s, size);
    u8(s, 0);
    bytes(s, program, n);
    uint32_t length = (uint32_t)(s->n - at - 4);
    memcpy(s->bytes + at, &length, 4);
}

static struct row *rows_of(const struct section *s, uint32_t *n)
{
    struct ehframe in = {s->bytes, s->n, 0x9000, LOW, 0x2000, NULL};
    struct row *rows = NULL;
    CHECK(ehframe_rows(&in, &rows, n) == STATUS_OK);
    return rows;
}

#if defined(__x86_64__)
static void a_function_that_pushes_its_frame_pointer(void)
{
    struct section s = {0};
    uint32_t n;
    put_cie(&s, "zR");
    /* push rbp; mov rsp, rbp; ...; pop */
    const uint8_t program[] = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x50, 0x0c, 7, 8};
    put_fde(&s, LOW + 0x10, 0x40, program, sizeof program);
    u32(&s, 0);
    struct row *rows = rows_of(&s, &n);
    struct rows_module m = {LOW, 0x2000, rows, n};
    CHECK(rows_find(&m, LOW) == NULL);
    const struct row *first = rows_find(&m, LOW + 0x10), *pushed = rows_find(&m, LOW + 0x12);
    const struct row *body = rows_find(&m, LOW + 0x20), *behind = rows_find(&m, LOW + 0x50);
    CHECK(first->cfa == ROW_SP && first->cfa_offset == 8 && first->ra_offset == -8);
    CHECK(first->fp_offset == ROW_UNCHANGED);
    CHECK(pushed->cfa == ROW_SP && pushed->cfa_offset == 16 && pushed->fp_offset == -16);
    CHECK(body->cfa == ROW_FP && body->cfa_offset == 16);
    CHECK(rows_find(&m, LOW + 0x24)->cfa == ROW_SP);
    CHECK(behind->cfa == ROW_NONE);
    free(rows);
}

static void expressions_of_plt_and_realigned_stacks(void)
{
    struct section s = {0};
    uint32_t n;
    put_cie(&s, "zR");
    const uint8_t plt[] = {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
    const uint8_t deref[] = {0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0};
    const uint8_t strange[] = {0x0f, 2, 0x9f, 0x06};
    const uint8_t bottom[] = {0x07, 16};
    put_fde(&s, LOW + 0x10, 0x10, plt, sizeof plt);
    put_fde(&s, LOW + 0x20, 0x10, deref, sizeof deref);
    put_fde(&s, LOW + 0x30, 0x10, strange, sizeof strange);
    put_fde(&s, LOW + 0x40, 0x10, bottom, sizeof bottom);
    u32(&s, 0);
    struct row *rows = rows_of(&s, &n);
    struct rows_module m = {LOW, 0x2000, rows, n};
    CHECK(rows_find(&m, LOW + 0x10)->cfa == ROW_PLT);
    CHECK_INT(rows_find(&m, LOW + 0x10)->cfa_offset, 11);
    CHECK(rows_find(&m, LOW + 0x20)->cfa == ROW_FP_DEREF);
    CHECK_INT(rows_find(&m, LOW + 0x20)->cfa_offset, -8);
    CHECK_INT(rows_find(&m, LOW + 0x20)->fp_offset, ROW_FP_IN_PLACE);
    CHECK(rows_find(&m, LOW + 0x30)->cfa == ROW_NONE);
    CHECK(rows_find(&m, LOW + 0x40)->cfa == ROW_END);
    free(rows);
}

/* Where OpenSSL's and libc's assembler say that their caller's stack pointer is. */
static void expressions_of_assembler(void)
{
    struct section s = {0};
    uint32_t n;
    put_cie(&s, "zR");
    const uint8_t behind[] = {0x0f, 6, 0x77, 0x98, 0x02, 0x06, 0x23, 8};                     /* *(rsp + 280) + 8 */
    const uint8_t indexed[] = {0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8}; /* r9 words up */
    const uint8_t in_rax[] = {0x0d, 0, 0x0e, 8};
    const uint8_t in_rbx[] = {0x0e, 16, 0x83, 2, 0x0d, 3, 0x0e, 24};
    const uint8_t trailing[] = {0x0f, 4, 0x77, 8, 0x06, 0x1f};
    const uint8_t far[] = {0x0f, 6, 0x77, 8, 0x06, 0x23, 0x80, 0x02};
    put_fde(&s, LOW + 0x10, 0x10, behind, sizeof behind);
    put_fde(&s, LOW + 0x20, 0x10, indexed, sizeof indexed);
    put_fde(&s, LOW + 0x30, 0x10, in_rax, sizeof in_rax);
    put_fde(&s, LOW + 0x40, 0x10, in_rbx, sizeof in_rbx);
    put_fde(&s, LOW + 0x50, 0x10, trailing, sizeof trailing);
    put_fde(&s, LOW + 0x60, 0x10, far, sizeof far);
    u32(&s, 0);
    struct row *rows = rows_of(&s, &n);
    struct rows_module m = {LOW, 0x2000, rows, n};
    const struct row *row = rows_find(&m, LOW + 0x10);
    CHECK(row->cfa == ROW_SP_DEREF && row->cfa_offset == 280 && row->operand == 8);
    row = rows_find(&m, LOW + 0x20);
    CHECK(row->cfa == ROW_INDEXED && row->cfa_offset == 8 && row->operand == 9);
    row = rows_find(&m, LOW + 0x30);
    CHECK(row->cfa == ROW_REGISTER && row->cfa_offset == 8 && row->operand == 0);
    row = rows_find(&m, LOW + 0x40);
    CHECK(row->cfa == ROW_BX && row->cfa_offset == 24 && row->bx_offset == -16);
    CHECK(rows_find(&m, LOW + 0x50)->cfa == ROW_NONE);
    CHECK(rows_find(&m, LOW + 0x60)->cfa == ROW_NONE);
    free(rows);
}

/* Parts of functions that are seldom run stand elsewhere, and linkers leave their entries where they come; some hosts
 * have two for one place. */
static void entries_in_any_order(void)
{
    struct section s = {0};
    uint32_t n;
    put_cie(&s, "zR");
    const uint8_t sixteen[] = {0x0e, 16}, thirty_two[] = {0x0e, 32}, forty_eight[] = {0x44, 0x0e, 48};
    put_fde(&s, LOW + 0x80, 0x20, thirty_two, sizeof thirty_two);
    put_fde(&s, LOW + 0x10, 0x20, sixteen, sizeof sixteen);
    put_fde(&s, LOW + 0x30, 0x50, forty_eight, sizeof forty_eight);
    put_fde(&s, LOW + 0x90, 0x20, sixteen, sizeof sixteen);
    u32(&s, 0);
    struct row *rows = rows_of(&s, &n);
    struct rows_module m = {LOW, 0x2000, rows, n};
    for (uint32_t i = 1; i < n; i++)
        CHECK(rows[i - 1].pc < rows[i].pc);
    CHECK_INT(rows_find(&m, LOW + 0x2f)->cfa_offset, 16);
    CHECK_INT(rows_find(&m, LOW + 0x33)->cfa_offset, 8);
    CHECK_INT(rows_find(&m, LOW + 0x34)->cfa_offset, 48);
    CHECK_INT(rows_find(&m, LOW + 0x80)->cfa_offset, 32);
    CHECK(rows_find(&m, LOW + 0x100)->cfa == ROW_NONE);
    free(rows);
}
#endif

/* This program's own section, whole and then with each of its first bytes changed. */
static int damage(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_GNU_EH_FRAME)
            continue;
        const uint8_t *hdr = (const uint8_t *)(uintptr_t)(info->dlpi_addr + p->p_vaddr);
        int32_t offset;
        memcpy(&offset, hdr + 4, 4);
        const uint8_t *section = hdr + 4 + offset;
        size_t n = 4096;
        uint8_t *copy = malloc(n);
        for (size_t at = 0; at < n; at++) {
            for (unsigned change = 0; change < 3; change++) {
                struct row *rows = NULL;
                uint32_t n_rows = 0;
                memcpy(copy, section, n);
                copy[at] = change == 0 ? 0xff : change == 1 ? 0 : copy[at] ^ 0x80;
                struct ehframe in = {
                    copy, n, (uint64_t)(uintptr_t)section, info->dlpi_addr, info->dlpi_addr + (1u << 30), NULL};
                CHECK(ehframe_rows(&in, &rows, &n_rows) == STATUS_OK);
                free(rows);
            }
        }
        free(copy);
    }
    return 1; /* the main program only */
}

#define MANY 10000

static int looked_up;

static void look_up(void)
{
    looked_up++;
}

/* A library like LLVM's takes 50 ms, in which threads of the host's may wait for who reads it. */
static void many_functions(void)
{
    struct section cie = {0};
    put_cie(&cie, "zR");
    struct {
        uint32_t length, back, start, size;
        uint8_t augmentation, nops[7];
    } fde = {.length = sizeof fde - 4, .size = 1};
    uint8_t *all = malloc(cie.n + MANY * sizeof fde);
    memcpy(all, cie.bytes, cie.n);
    for (size_t i = 0; i < MANY; i++) {
        size_t at = cie.n + i * sizeof fde;
        fde.back = (uint32_t)at + 4;
        fde.start = LOW + (uint32_t)i;
        memcpy(all + at, &fde, sizeof fde);
    }
    struct ehframe in = {all, cie.n + MANY * sizeof fde, 0x9000, LOW, LOW + MANY, look_up};
    struct row *rows = NULL;
    uint32_t n = 0;
    CHECK(ehframe_rows(&in, &rows, &n) == STATUS_OK && n > 0);
    CHECK(looked_up >= 4);
    free(rows);
    free(all);
}

int main(void)
{
#if defined(__x86_64__)
    a_function_that_pushes_its_frame_pointer();
    expressions_of_plt_and_realigned_stacks();
    expressions_of_assembler();
    entries_in_any_order();
#endif
    many_functions();
    dl_iterate_phdr(damage, NULL);
    return check_done();
}
