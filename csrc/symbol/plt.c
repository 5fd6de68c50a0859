#include "symbol/plt.h"

#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECTIONS 65536u /* looked at in one file */
#define MAX_SLOTS    (1u << 20)
#define MAX_BYTES    (1u << 24) /* of stubs: a million of them */

static bool add_slot(struct plt *p, uint64_t at, const char *name)
{
    if (p->n == MAX_SLOTS)
        return false;
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;
        struct plt_slot *grown = realloc(p->slots, cap * sizeof *grown);
        if (!grown)
            return false;
        p->slots = grown;
        p->cap = cap;
    }
    p->slots[p->n++] = (struct plt_slot){at, name};
    return true;
}

static void add_relocations(struct plt *p, Elf *elf, Elf_Scn *scn, const GElf_Shdr *header)
{
    Elf_Scn *symbols = elf_getscn(elf, header->sh_link);
    GElf_Shdr symbols_header;
    Elf_Data *data = elf_getdata(scn, NULL);
    Elf_Data *symbols_data = symbols ? elf_getdata(symbols, NULL) : NULL;
    if (!data || !symbols_data || !gelf_getshdr(symbols, &symbols_header) || !header->sh_entsize)
        return;
    size_t n = data->d_size / header->sh_entsize;
    for (size_t i = 0; i < n && i < MAX_SLOTS; i++) {
        GElf_Rela rela;
        GElf_Sym sym;
        if (!gelf_getrela(data, (int)i, &rela))
            return;
        unsigned type = (unsigned)GELF_R_TYPE(rela.r_info);
        if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) ||
            !gelf_getsym(symbols_data, (int)GELF_R_SYM(rela.r_info), &sym))
            continue;
        const char *name = elf_strptr(elf, symbols_header.sh_link, sym.st_name);
        if (name && name[0] && !add_slot(p, rela.r_offset, name))
            return;
    }
}

static void add_stubs(struct plt *p, Elf_Scn *scn, const GElf_Shdr *header)
{
    if (p->n_sections == PLT_MAX_SECTIONS || header->sh_size == 0 || header->sh_size > MAX_BYTES)
        return;
    Elf_Data *data = elf_getdata(scn, NULL);
    if (!data || !data->d_buf || data->d_size < header->sh_size)
        return;
    p->section[p->n_sections++] = (struct plt_section){
        .code = data->d_buf,
        .start = header->sh_addr,
        .len = header->sh_size,
        .stub_bytes = header->sh_entsize == 8 ? 8 : 16,
    };
}

static int compare(const void *left, const void *right)
{
    const struct plt_slot *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

void plt_init(struct plt *p, Elf *elf, uint64_t bias)
{
    *p = (struct plt){.bias = bias};
    GElf_Ehdr elf_header;
    size_t names;
    if (!gelf_getehdr(elf, &elf_header) || elf_header.e_machine != EM_X86_64 || elf_getshdrstrndx(elf, &names) != 0)
        return;
    Elf_Scn *scn = NULL;
    for (size_t seen = 0; seen < MAX_SECTIONS && (scn = elf_nextscn(elf, scn)); seen++) {
        GElf_Shdr header;
        if (!gelf_getshdr(scn, &header))
            return;
        const char *name = elf_strptr(elf, names, header.sh_name);
        if (header.sh_type == SHT_RELA && (header.sh_flags & SHF_ALLOC))
            add_relocations(p, elf, scn, &header);
        else if (header.sh_type == SHT_PROGBITS && name &&
                 (!strcmp(name, ".plt") || !strcmp(name, ".plt.got") || !strcmp(name, ".plt.sec")))
            add_stubs(p, scn, &header);
    }
    if (p->n)
        qsort(p->slots, p->n, sizeof *p->slots, compare);
}

void plt_fini(struct plt *p)
{
    free(p->slots);
    *p = (struct plt){0};
}

/* The operand of the stub's `jmp *slot(%rip)`, which endbr64 and a bnd prefix may precede. */
static bool find_slot(const struct plt_section *s, uint64_t stub, uint64_t *slot)
{
    for (uint64_t i = stub; i + 6 <= stub + s->stub_bytes && i + 6 <= s->len; i++)
        if (s->code[i] == 0xff && s->code[i + 1] == 0x25) {
            int32_t distance;
            memcpy(&distance, s->code + i + 2, sizeof distance);
            *slot = s->start + i + 6 + (uint64_t)(int64_t)distance;
            return true;
        }
    return false;
}

bool plt_find(const struct plt *p, uint64_t address, char out[PLT_MAX_NAME])
{
    uint64_t at = address - p->bias;
    for (size_t i = 0; i < p->n_sections; i++) {
        const struct plt_section *s = &p->section[i];
        struct plt_slot key = {0, NULL};
        if (at < s->start || at - s->start >= s->len ||
            !find_slot(s, (at - s->start) / s->stub_bytes * s->stub_bytes, &key.at))
            continue;
        const struct plt_slot *slot = p->n ? bsearch(&key, p->slots, p->n, sizeof key, compare) : NULL;
        if (!slot)
            return false;
        snprintf(out, PLT_MAX_NAME, "%.*s@plt", PLT_MAX_NAME - 5, slot->name);
        return true;
    }
    return false;
}
