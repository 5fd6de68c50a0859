#include "symbol/symtab.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS    (1u << 24) /* the largest browsers have about two million */
#define MAX_STEPS_BACK 16u        /* symbols that begin behind the one that holds the address */
#define MAX_NAME       65535u     /* bytes of a name */

/* Of several names for one address the best is kept: a sized function, then one seen from outside. */
enum { RANK_SIZED = 4, RANK_FUNCTION = 2, RANK_GLOBAL = 1 };

static bool add(struct symtab *t, const struct symbol *s)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 1024;
        struct symbol *grown = realloc(t->at, cap * sizeof *grown);
        if (!grown)
            return false;
        t->at = grown;
        t->cap = cap;
    }
    t->at[t->n++] = *s;
    return true;
}

static size_t underscores(const struct symbol *s)
{
    return strspn(s->name, "_");
}

/* By address, then the best name first. Among equals the one with fewer leading underscores is what programs
 * call: malloc before __libc_malloc. The last rules only make the choice the same every time. */
static int compare(const void *left, const void *right)
{
    const struct symbol *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    size_t au = underscores(a), bu = underscores(b);
    if (au != bu)
        return au < bu ? -1 : 1;
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return strcmp(a->name, b->name);
}

static bool section_of(Elf *elf, GElf_Word index, GElf_Shdr *section)
{
    Elf_Scn *scn = elf ? elf_getscn(elf, index) : NULL;
    return scn && gelf_getshdr(scn, section);
}

/* Assembly often gives neither type nor size: such a name lasts until the next, or its section's end. */
static bool take_symbol(Dwfl_Module *module, int index, struct symbol *s)
{
    GElf_Sym sym;
    GElf_Addr address;
    GElf_Word shndx;
    Elf *elf = NULL;
    s->name = dwfl_module_getsym_info(module, index, &sym, &address, &shndx, &elf, NULL);
    if (!s->name || !s->name[0] || s->name[0] == '$' || shndx == SHN_UNDEF || shndx == SHN_ABS || shndx == SHN_COMMON ||
        shndx == (GElf_Word)-1)
        return false;
    unsigned type = GELF_ST_TYPE(sym.st_info);
    bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
    if (!function && type != STT_NOTYPE)
        return false;
    s->start = address;
    s->end = address + sym.st_size;
    if (!function || sym.st_size == 0) {
        GElf_Shdr section;
        if (!section_of(elf, shndx, &section) || !(section.sh_flags & SHF_EXECINSTR) ||
            sym.st_value < section.sh_addr || sym.st_value - section.sh_addr >= section.sh_size)
            return false;
        if (sym.st_size == 0)
            s->end = address + (section.sh_size - (sym.st_value - section.sh_addr));
    }
    if (s->end <= s->start)
        return false;
    size_t len = strnlen(s->name, MAX_NAME);
    const char *version = memchr(s->name + 1, '@', len - 1);
    s->name_len = (uint32_t)(version ? (size_t)(version - s->name) : len);
    s->global = GELF_ST_BIND(sym.st_info) != STB_LOCAL;
    s->rank =
        (uint8_t)((sym.st_size ? RANK_SIZED : 0) + (function ? RANK_FUNCTION : 0) + (s->global ? RANK_GLOBAL : 0));
    return true;
}

void symtab_init(struct symtab *t, Dwfl_Module *module)
{
    *t = (struct symtab){0};
    int n = dwfl_module_getsymtab(module);
    for (int i = 1; i < n && t->n < MAX_SYMBOLS; i++) {
        struct symbol s = {0};
        if (take_symbol(module, i, &s) && !add(t, &s))
            break;
    }
    if (t->n == 0)
        return;
    qsort(t->at, t->n, sizeof *t->at, compare);
    size_t kept = 0;
    for (size_t i = 1; i < t->n; i++)
        if (t->at[i].start != t->at[kept].start)
            t->at[++kept] = t->at[i];
    t->n = kept + 1;
    for (size_t i = 0; i + 1 < t->n; i++)
        if (!(t->at[i].rank & RANK_SIZED) && t->at[i].end > t->at[i + 1].start)
            t->at[i].end = t->at[i + 1].start;
}

void symtab_fini(struct symtab *t)
{
    free(t->at);
    *t = (struct symtab){0};
}

const struct symbol *symtab_find(const struct symtab *t, uint64_t address)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->at[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct symbol *label = NULL;
    for (size_t steps = 0; low > 0 && steps < MAX_STEPS_BACK; steps++) {
        const struct symbol *s = &t->at[--low];
        if (address >= s->end)
            continue;
        if (s->rank & RANK_SIZED)
            return s;
        if (!label)
            label = s; /* unless it stands inside a function that has its size */
    }
    return label;
}
