#include "symbol/content.h"

#include "symbol/debugfile.h"
#include "symbol/inlines.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECTIONS 65536u

/* What its DWARF takes when libdw has unpacked it; 0 where it is not packed, and can be read from the mapped file. */
static size_t unpacked_bytes(Elf *elf)
{
    size_t sum = 0, names, seen = 0;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return 0;
    for (Elf_Scn *scn = NULL; seen < MAX_SECTIONS && (scn = elf_nextscn(elf, scn)); seen++) {
        GElf_Shdr header;
        GElf_Chdr packed;
        const char *name = gelf_getshdr(scn, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        size_t bytes = 0;
        if (name && strncmp(name, ".debug_", 7) == 0 && (header.sh_flags & SHF_COMPRESSED) &&
            gelf_getchdr(scn, &packed))
            bytes = packed.ch_size;
        else if (name && strncmp(name, ".zdebug_", 8) == 0)
            bytes = header.sh_size > SIZE_MAX / 8 ? SIZE_MAX : header.sh_size * 8; /* the old way, now rare */
        sum = bytes > SIZE_MAX - sum ? SIZE_MAX : sum + bytes;
    }
    return sum;
}

static size_t unpacked_bytes_of(int fd)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
    size_t n = elf ? unpacked_bytes(elf) : 0;
    elf_end(elf);
    return n;
}

static void note(struct given_file *f, int fd)
{
    free(f->folder);
    *f = (struct given_file){fd, sidefile_folder(fd)};
}

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **file_name, Elf **elf)
{
    (void)mod, (void)name, (void)base;
    struct content *c = *userdata;
    struct module *m = c->module;
    int fd;
    *elf = module_open(m, &fd);
    if (*elf && m->file)
        *file_name = strdup(m->file);
    m->unpacked = *elf ? unpacked_bytes(*elf) : 0;
    note(&c->own, fd);
    return fd;
}

/* The file that several debug files share (dwz), which has a name but no checksum: the DWARF just opened tells its
 * build id. */
static int find_shared(Dwfl_Module *mod, struct debugfile_wanted *w, char **found)
{
    Dwarf_Addr bias;
    Dwarf *dw = dwfl_module_getdwarf(mod, &bias);
    ssize_t n = dw ? dwelf_dwarf_gnu_debugaltlink(dw, &w->name, &w->build_id) : -1;
    if (n <= 0)
        return -1;
    w->build_id_len = (size_t)n;
    return debugfile_find(w, found);
}

/* Or -1. */
static int take(struct module *m, int fd, bool shared)
{
    size_t copied = 0;
    if (module_copies(m))
        fd = elffile_copy_apart(fd, &copied);
    if (fd < 0)
        return -1;
    m->copied += copied;
    size_t bytes = unpacked_bytes_of(fd);
    m->unpacked = bytes > SIZE_MAX - m->unpacked ? SIZE_MAX : m->unpacked + bytes;
    if (!shared || m->unpacked <= CONTENT_MAX_UNPACKED)
        return fd;
    close(fd);
    return -1;
}

static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found)
{
    (void)name, (void)base;
    struct content *c = *userdata;
    struct module *m = c->module;
    struct debugfile_wanted w = {file_name, link, m->build_id, m->build_id_len, crc};
    if (!file_name)
        return -1;
    bool shared = link && crc == 0;
    int fd = shared ? find_shared(mod, &w, found) : debugfile_find(&w, found);
    if (fd >= 0 && (fd = take(m, fd, shared)) < 0) {
        free(*found);
        *found = NULL;
    }
    if (shared)
        c->lacks_shared = fd < 0;
    else
        note(&c->apart, fd);
    return fd;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = find_debuginfo,
    .section_address = dwfl_offline_section_address, /* for relocatable files; none is reported */
};

/* A Dwfl of its own for each module, so that each can be closed. */
static Dwfl_Module *report(struct content *c)
{
    struct module *m = c->module;
    void **userdata;
    c->dwfl = dwfl_begin(&callbacks);
    if (!c->dwfl)
        return NULL;
    dwfl_report_begin(c->dwfl);
    Dwfl_Module *mod = dwfl_report_module(c->dwfl, m->path, m->dwfl_start, m->end);
    if (mod) {
        dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
        *userdata = c;
    }
    return dwfl_report_end(c->dwfl, NULL, NULL) == 0 ? mod : NULL;
}

/* Where libdw is out of memory it ends the process, unless told otherwise: it is left by longjmp, and the module has no
 * names from then on. */
static _Thread_local jmp_buf *out_of_memory;

__attribute__((noreturn)) static void on_out_of_memory(void)
{
    longjmp(*out_of_memory, 1);
}

/* What the folder was when libdw asked for it, unless it changed in between. */
static void find_side(struct content *c, const Elf *own)
{
    const struct given_file *f = dwarf_getelf(c->dwarf) == own ? &c->own : &c->apart;
    char *now = sidefile_folder(f->fd);
    c->side.is_known = now && f->folder ? strcmp(now, f->folder) == 0 : now == f->folder;
    c->side.folder = now;
}

/* The symbol table first: libdwfl then looks for the debug file, and tells what that would take. */
static void read_files(struct content *c)
{
    c->is_open = true;
    Dwfl_Module *mod = report(c);
    Elf *elf = mod ? dwfl_module_getelf(mod, &c->elf_bias) : NULL;
    if (!elf)
        return;
    c->has_file = true;
    symtab_init(&c->symtab, mod);
    plt_init(&c->plt, elf, c->elf_bias);
    c->file_bytes = c->module->copied + c->symtab.cap * sizeof *c->symtab.at + c->plt.cap * sizeof *c->plt.slots;
    if (c->module->unpacked > CONTENT_MAX_UNPACKED)
        return;
    c->file_bytes += c->module->unpacked;
    c->dwarf = dwfl_module_getdwarf(mod, &c->dwarf_bias);
    if (!c->dwarf)
        return;
    dwarf_new_oom_handler(c->dwarf, on_out_of_memory);
    find_side(c, elf);
    if (c->lacks_shared && !sidefile_go_without_shared(&c->side, c->dwarf)) {
        c->dwarf = NULL;
        return;
    }
    if (!c->has_units)
        units_init(&c->units, c->dwarf);
    c->has_units = true;
}

static size_t name_stub(const struct content *c, struct texts *texts, uint64_t address, struct named_frame *out)
{
    char name[PLT_MAX_NAME];
    if (!plt_find(&c->plt, address, name))
        return 0;
    struct text *text = texts_keep(texts, name, strlen(name));
    if (!text)
        return 0;
    *out = (struct named_frame){text->plain, text->plain, "", 0, 0};
    return 1;
}

static struct unit *unit_at(struct content *c, uint64_t dwarf_address)
{
    struct unit *unit = c->dwarf ? units_find(&c->units, dwarf_address) : NULL;
    return unit && unit_open(unit, c->dwarf, &c->side) ? unit : NULL;
}

static size_t name_in_unit(struct content *c, struct texts *texts, struct unit *unit, uint64_t address,
                           struct text *symbol, struct named_frame out[NAMER_MAX_INLINE])
{
    bool is_new = unit->scan == UNIT_NOT_SCANNED;
    size_t n = inlines_at(texts, unit, unit_function(unit, address), address, symbol, out);
    if (is_new)
        c->unit_bytes += unit_bytes(unit);
    return n;
}

static void answer(struct content *c, struct texts *texts, uint64_t address, struct known_answer *out)
{
    const struct symbol *symbol = symtab_find(&c->symtab, address);
    struct text *text = symbol ? texts_keep(texts, symbol->name, symbol->name_len) : NULL;
    struct unit *unit = unit_at(c, address - c->dwarf_bias);
    out->entry = symbol ? symbol->start : 0;
    if (unit)
        out->n = name_in_unit(c, texts, unit, address - c->dwarf_bias, text, out->frames);
    else if (text) {
        out->frames[0] = (struct named_frame){texts_readable(texts, text), text->plain, "", 0, 0};
        out->n = 1;
    }
    if (!out->n)
        out->n = name_stub(c, texts, address, out->frames);
}

bool content_ask(struct content *c, struct texts *texts, uint64_t address, struct known_answer *out)
{
    jmp_buf here;
    out->n = 0;
    out->entry = 0;
    if (c->is_broken)
        return false;
    if (setjmp(here)) {
        c->is_broken = true;
        out->n = 0;
        out->entry = 0;
        return false;
    }
    out_of_memory = &here;
    if (!c->is_open)
        read_files(c);
    answer(c, texts, address, out);
    return c->has_file;
}

/* The tables point into what libdwfl holds, and its Elf into the module's copy. */
void content_close(struct content *c)
{
    symtab_fini(&c->symtab);
    plt_fini(&c->plt);
    units_close(&c->units);
    if (c->dwfl && !c->is_broken)
        dwfl_end(c->dwfl);
    elffile_drop(&c->module->image);
    sidefiles_fini(&c->side);
    free(c->own.folder);
    free(c->apart.folder);
    c->own = c->apart = (struct given_file){0};
    c->lacks_shared = false;
    c->dwfl = NULL;
    c->dwarf = NULL;
    c->is_open = c->has_file = false;
    c->file_bytes = c->unit_bytes = 0;
}

void content_fini(struct content *c)
{
    content_close(c);
    units_fini(&c->units);
}
