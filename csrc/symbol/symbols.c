#include "symbol/symbols.h"

#include "symbol/content.h"
#include "symbol/known.h"
#include "symbol/modules.h"
#include "symbol/perfmap.h"
#include "symbol/taken.h"
#include "symbol/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t symbols_open_bytes = (size_t)32 << 20;

/* A module: what earlier sessions found, and its files, for what they did not. */
struct place {
    struct known *known; /* NULL: nothing is kept */
    bool is_asked;
    struct content content;
};

struct symbols {
    const struct process *process;
    struct modules modules;
    struct place *places; /* one per module, same order */
    struct texts texts;
    struct perfmap perfmap;
    bool perfmap_is_open;
};

enum status symbols_open(struct symbols **out, const struct process *process, struct reason *why)
{
    struct symbols *s = calloc(1, sizeof *s);
    if (!s)
        return STATUS_NOMEM;
    s->process = process;
    enum status status = modules_read(&s->modules, process, why);
    if (!status) {
        s->places = calloc(s->modules.n + 1, sizeof *s->places);
        status = s->places ? STATUS_OK : STATUS_NOMEM;
    }
    if (status) {
        symbols_close(s);
        return status;
    }
    for (size_t i = 0; i < s->modules.n; i++)
        s->places[i].content.module = &s->modules.at[i];
    *out = s;
    return STATUS_OK;
}

void symbols_close(struct symbols *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->places && i < s->modules.n; i++) {
        content_fini(&s->places[i].content);
        known_release(s->places[i].known);
    }
    free(s->places);
    texts_fini(&s->texts);
    perfmap_close(&s->perfmap);
    modules_fini(&s->modules);
    free(s);
}

/* Of all that is open but keep; and that too, where it is too much by itself. */
static void make_room(struct symbols *s, struct content *keep)
{
    size_t sum = 0;
    for (size_t i = 0; i < s->modules.n; i++)
        sum += s->places[i].content.file_bytes + s->places[i].content.unit_bytes;
    if (sum <= symbols_open_bytes)
        return;
    for (size_t i = 0; i < s->modules.n; i++) {
        struct content *c = &s->places[i].content;
        if (c->is_open && (c != keep || c->unit_bytes > symbols_open_bytes))
            content_close(c);
    }
}

static void ask_known(struct place *p)
{
    struct known_id id;
    if (!p->is_asked && module_identify(p->content.module, &id))
        p->known = known_hold(&id);
    p->is_asked = true;
}

/* Entries are kept as offsets too: the module may lie elsewhere next time. */
static void answer_in_module(struct symbols *s, struct place *p, uint64_t address, struct known_answer *out)
{
    uint64_t start = p->content.module->start;
    ask_known(p);
    if (!p->known || !known_find(p->known, address - start, out)) {
        make_room(s, &p->content);
        bool is_whole = content_ask(&p->content, &s->texts, address, out);
        out->entry = out->entry ? out->entry - start : UINT64_MAX;
        if (p->known && is_whole)
            known_add(p->known, address - start, out);
    }
    out->entry = out->entry == UINT64_MAX ? 0 : out->entry + start;
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
    out->n = 0;
    out->entry = 0;
    if (!m)
        answer_at_run_time(s, address, out);
    else if (!taken_function())
        answer_in_module(s, &s->places[m - s->modules.at], address, out);
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
