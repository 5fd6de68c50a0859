#include "symbol/symbols.h"

#include "symbol/debugfile.h"
#include "symbol/inlines.h"
#include "symbol/known.h"
#include "symbol/modules.h"
#include "symbol/perfmap.h"
#include "symbol/plt.h"
#include "symbol/symtab.h"
#include "symbol/taken.h"
#include "symbol/texts.h"
#include "symbol/units.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a module when the first address in it is asked for, and what is read of it when that is not enough.
 */
struct content {
    struct known *known; /* NULL: nothing is kept */
    bool is_asked;
    Dwfl_Module *dwfl;
    bool is_read;
    bool has_file; /* otherwise names may come later, when the file is back */
    uint64_t bias; /* address in memory minus address in DWARF */
    struct symtab symtab;
    struct units units;
    struct plt plt;
};

struct symbols {
    const struct process *process;
    struct modules modules;
    struct content *contents; /* one per module, same order */
    Dwfl *dwfl;
    struct texts texts;
    struct perfmap perfmap;
    bool perfmap_is_open;
    bool broken; /* libdw was left in the middle: its memory is leaked rather than walked once more */
};

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **file_name, Elf **elf)
{
    (void)mod, (void)name, (void)base;
    struct module *m = *userdata;
    int fd;
    *elf = module_open(m, &fd);
    if (*elf && m->file)
        *file_name = strdup(m->file);
    return fd;
}

/* libdwfl asks here for two things: the module's own debug file, and the file that several debug files share
 * (dwz), which has a name but no checksum and whose build id the DWARF just opened tells. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found)
{
    (void)name, (void)base;
    const struct module *m = *userdata;
    struct debugfile_wanted w = {file_name, link, m->build_id, m->build_id_len, crc};
    if (!file_name)
        return -1;
    if (link && crc == 0) {
        Dwarf_Addr bias;
        Dwarf *dw = dwfl_module_getdwarf(mod, &bias);
        ssize_t n = dw ? dwelf_dwarf_gnu_debugaltlink(dw, &w.name, &w.build_id) : -1;
        if (n <= 0)
            return -1;
        w.build_id_len = (size_t)n;
    }
    return debugfile_find(&w, found);
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = find_debuginfo,
    .section_address = dwfl_offline_section_address, /* for relocatable files; none is reported */
};

static enum status report_modules(struct symbols *s, struct reason *why)
{
    dwfl_report_begin(s->dwfl);
    for (size_t i = 0; i < s->modules.n; i++) {
        struct module *m = &s->modules.at[i];
        Dwfl_Module *mod = dwfl_report_module(s->dwfl, m->path, m->dwfl_start, m->end);
        void **userdata;
        if (!mod)
            continue; /* this one stays without names */
        dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
        *userdata = m;
        s->contents[i].dwfl = mod;
    }
    if (dwfl_report_end(s->dwfl, NULL, NULL) != 0)
        return status_because(why, STATUS_SYSTEM, "cannot list modules: %s", dwfl_errmsg(-1));
    return STATUS_OK;
}

enum status symbols_open(struct symbols **out, const struct process *process, struct reason *why)
{
    enum status status = STATUS_NOMEM;
    struct symbols *s = calloc(1, sizeof *s);
    if (!s)
        goto done;
    s->process = process;
    status = modules_read(&s->modules, process, why);
    if (status != STATUS_OK)
        goto done;
    status = STATUS_NOMEM;
    s->contents = calloc(s->modules.n + 1, sizeof *s->contents);
    if (!s->contents)
        goto done;
    if (taken_function()) { /* build ids only: they are read without a library */
        s->broken = true;
        status = STATUS_OK;
        goto done;
    }
    s->dwfl = dwfl_begin(&callbacks);
    if (s->dwfl)
        status = report_modules(s, why);
done:
    if (status != STATUS_OK) {
        symbols_close(s);
        return status;
    }
    *out = s;
    return STATUS_OK;
}

/* The tables point into what libdwfl holds, and its Elf of the vdso into the module's copy. */
void symbols_close(struct symbols *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->contents && i < s->modules.n; i++) {
        symtab_fini(&s->contents[i].symtab);
        units_fini(&s->contents[i].units);
        plt_fini(&s->contents[i].plt);
        known_release(s->contents[i].known);
    }
    free(s->contents);
    if (s->dwfl && !s->broken)
        dwfl_end(s->dwfl);
    texts_fini(&s->texts);
    perfmap_close(&s->perfmap);
    modules_fini(&s->modules);
    free(s);
}

/* Where libdw is out of memory it ends the process, unless told otherwise: it is left by longjmp, and the session
 * answers nothing more. */
static _Thread_local jmp_buf *out_of_memory;

__attribute__((noreturn)) static void on_out_of_memory(void)
{
    longjmp(*out_of_memory, 1);
}

static void read_content(struct content *c)
{
    c->is_read = true;
    Dwarf_Addr bias;
    Elf *elf = c->dwfl ? dwfl_module_getelf(c->dwfl, &bias) : NULL;
    if (!elf)
        return;
    c->has_file = true;
    symtab_init(&c->symtab, c->dwfl);
    plt_init(&c->plt, elf, bias);
    Dwarf *dw = dwfl_module_getdwarf(c->dwfl, &bias);
    if (dw) {
        dwarf_new_oom_handler(dw, on_out_of_memory);
        c->bias = bias;
        units_init(&c->units, dw);
    }
}

static size_t name_stub(struct symbols *s, const struct content *c, uint64_t address, struct named_frame *out)
{
    char name[PLT_MAX_NAME];
    if (!plt_find(&c->plt, address, name))
        return 0;
    struct text *text = texts_keep(&s->texts, name, strlen(name));
    if (!text)
        return 0;
    *out = (struct named_frame){text->plain, text->plain, "", 0, 0};
    return 1;
}

static size_t find_frames(struct symbols *s, struct content *c, const struct symbol *symbol, uint64_t address,
                          struct named_frame out[NAMER_MAX_INLINE])
{
    struct text *text = symbol ? texts_keep(&s->texts, symbol->name, symbol->name_len) : NULL;
    uint64_t dwarf_address = address - c->bias;
    struct unit *unit = units_find(&c->units, dwarf_address);
    size_t n = 0;
    if (unit)
        n = inlines_at(&s->texts, unit, unit_function(unit, dwarf_address), dwarf_address, text, out);
    else if (text) {
        out[0] = (struct named_frame){texts_readable(&s->texts, text), text->plain, "", 0, 0};
        n = 1;
    }
    return n ? n : name_stub(s, c, address, out);
}

static void answer_by_file(struct symbols *s, struct content *c, uint64_t address, struct known_answer *out)
{
    if (!c->is_read)
        read_content(c);
    const struct symbol *symbol = symtab_find(&c->symtab, address);
    out->entry = symbol ? symbol->start : 0;
    out->n = find_frames(s, c, symbol, address, out->frames);
}

/* Entries are kept as offsets too: the module may lie elsewhere next time. */
static void answer_in_module(struct symbols *s, const struct module *m, struct content *c, uint64_t address,
                             struct known_answer *out)
{
    struct known_id id;
    if (!c->is_asked && module_identify(m, &id))
        c->known = known_hold(&id);
    c->is_asked = true;
    if (!c->known || !known_find(c->known, address - m->start, out)) {
        answer_by_file(s, c, address, out);
        out->entry = out->entry ? out->entry - m->start : UINT64_MAX;
        if (c->known && c->has_file)
            known_add(c->known, address - m->start, out);
    }
    out->entry = out->entry == UINT64_MAX ? 0 : out->entry + m->start;
}

static void answer_at_run_time(struct symbols *s, uint64_t address, struct known_answer *out)
{
    char name[PERFMAP_MAX_NAME];
    pid_t pid = s->process->pid ? s->process->pid(s->process->self) : 0;
    if (!s->perfmap_is_open && pid > 0)
        perfmap_open(&s->perfmap, pid);
    s->perfmap_is_open = true;
    struct text *text = perfmap_find(&s->perfmap, address, name) ? texts_keep(&s->texts, name, strlen(name)) : NULL;
    if (!text)
        return;
    out->frames[0] = (struct named_frame){texts_readable(&s->texts, text), text->plain, "", 0, 0};
    out->n = 1;
}

static void answer_at(struct symbols *s, uint64_t address, struct known_answer *out)
{
    const struct module *m = modules_find(&s->modules, address);
    jmp_buf here;
    out->n = 0;
    out->entry = 0;
    if (!m) {
        answer_at_run_time(s, address, out);
        return;
    }
    if (s->broken)
        return;
    if (setjmp(here)) {
        s->broken = true;
        out->n = 0;
        out->entry = 0;
        return;
    }
    out_of_memory = &here;
    answer_in_module(s, m, &s->contents[m - s->modules.at], address, out);
}

static size_t frames(void *self, uint64_t address, struct named_frame out[NAMER_MAX_INLINE])
{
    struct known_answer answer;
    answer_at(self, address, &answer);
    memcpy(out, answer.frames, answer.n * sizeof *out);
    return answer.n;
}

static bool build_id(void *self, uint64_t address, char *hex, size_t room)
{
    const struct symbols *s = self;
    const struct module *m = modules_find(&s->modules, address);
    if (!m || !m->build_id_len || room <= 2 * m->build_id_len)
        return false;
    for (size_t i = 0; i < m->build_id_len; i++)
        snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
    return true;
}

static uint64_t entry(void *self, uint64_t address)
{
    struct known_answer answer;
    answer_at(self, address, &answer);
    return answer.entry;
}

struct namer symbols_namer(struct symbols *s)
{
    return (struct namer){.frames = frames, .build_id = build_id, .entry = entry, .self = s};
}
