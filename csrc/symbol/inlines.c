#include "symbol/inlines.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SCOPES   512u       /* blocks and inlined calls around one address */
#define MAX_CHILDREN (1u << 18) /* entries looked at for one address: under 20 ms */
#define MAX_TEXT     65535u     /* bytes of a name or a path */

/* The function, then the inlined calls, outermost first. One more than fits: it tells where the last one that
 * fits was left. */
struct chain {
    Dwarf_Die die[NAMER_MAX_INLINE + 1];
    size_t n;
};

static bool is_scope(int tag)
{
    return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
           tag == DW_TAG_catch_block;
}

/* The scope directly inside parent that holds the address. */
static bool step_in(Dwarf_Die *parent, uint64_t address, Dwarf_Die *scope, size_t *seen)
{
    if (dwarf_child(parent, scope) != 0)
        return false;
    while (++*seen < MAX_CHILDREN) {
        if (is_scope(dwarf_tag(scope)) && dwarf_haspc(scope, address) > 0)
            return true;
        if (dwarf_siblingof(scope, scope) != 0)
            break;
    }
    return false;
}

static void follow(struct chain *c, const Dwarf_Die *function, uint64_t address)
{
    Dwarf_Die scope = *function, inner;
    size_t seen = 0;
    c->die[c->n++] = scope;
    for (size_t depth = 0; depth < MAX_SCOPES && c->n <= NAMER_MAX_INLINE; depth++) {
        if (!step_in(&scope, address, &inner, &seen))
            return;
        if (dwarf_tag(&inner) == DW_TAG_inlined_subroutine)
            c->die[c->n++] = inner;
        scope = inner;
    }
}

static const char *text_of(Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute attr;
    const char *text = dwarf_formstring(dwarf_attr_integrate(die, attribute, &attr));
    return text && text[0] ? text : NULL;
}

static uint64_t number_of(Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;
    return dwarf_formudata(dwarf_attr(die, attribute, &attr), &value) == 0 ? value : 0;
}

static struct text *keep(struct texts *texts, const char *text)
{
    return texts_keep(texts, text, strnlen(text, MAX_TEXT));
}

static const char *keep_plain(struct texts *texts, const char *text)
{
    const struct text *kept = keep(texts, text);
    return kept ? kept->plain : "";
}

/* libdw has joined file and directory; what is still relative lacks the compiler's working directory. */
static const char *absolute(struct texts *texts, struct unit *unit, const char *file)
{
    if (!file || !file[0])
        return "";
    const char *dir = file[0] == '/' || file[0] == '<' ? NULL : text_of(&unit->die, DW_AT_comp_dir);
    char *joined;
    if (!dir || dir[0] != '/' || asprintf(&joined, "%s/%s", dir, file) < 0)
        return keep_plain(texts, file);
    const char *kept = keep_plain(texts, joined);
    free(joined);
    return kept;
}

static const char *file_number(struct texts *texts, struct unit *unit, uint64_t index)
{
    Dwarf_Files *files;
    size_t n;
    if (dwarf_getsrcfiles(&unit->die, &files, &n) != 0 || index >= n)
        return "";
    return absolute(texts, unit, dwarf_filesrc(files, index, NULL, NULL));
}

static void place_leaf(struct texts *texts, struct unit *unit, uint64_t address, struct named_frame *leaf)
{
    Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);
    int number;
    if (!line)
        return;
    leaf->file = absolute(texts, unit, dwarf_linesrc(line, NULL, NULL));
    if (dwarf_lineno(line, &number) == 0 && number > 0)
        leaf->line = number;
}

static void place_caller(struct texts *texts, struct unit *unit, Dwarf_Die *call, struct named_frame *caller)
{
    caller->file = file_number(texts, unit, number_of(call, DW_AT_call_file));
    caller->line = (int64_t)(uint32_t)number_of(call, DW_AT_call_line);
}

/* The symbol table knows better than DWARF where only its name is mangled, and where DWARF has an inner alias
 * of what programs call: __libc_malloc. It is no help with the clones of a function, foo.part.0 and foo.cold,
 * which belong under the name of the source. */
static bool prefers_symbol(struct texts *texts, const char *name, struct text *symbol)
{
    if (texts_readable(texts, symbol) != symbol->plain)
        return true;
    return strspn(symbol->plain, "_") < strspn(name, "_") && !strchr(symbol->plain, '.');
}

static void name_frame(struct texts *texts, Dwarf_Die *die, struct text *symbol, struct named_frame *frame)
{
    const char *name = text_of(die, DW_AT_name);
    const char *linkage = text_of(die, DW_AT_linkage_name);
    if (!linkage)
        linkage = text_of(die, DW_AT_MIPS_linkage_name);
    struct text *text = linkage ? keep(texts, linkage) : name ? keep(texts, name) : NULL;
    bool is_plain = text && texts_readable(texts, text) == text->plain;
    bool by_symbol = symbol && (!text || (is_plain && prefers_symbol(texts, name ? name : text->plain, symbol)));
    if (by_symbol)
        text = symbol;
    int line;
    *frame = (struct named_frame){.file = ""};
    frame->system_name = text ? text->plain : "";
    frame->name = text ? texts_readable(texts, text) : "";
    /* An asm() label or a Fortran name says less than the source does. */
    if (text && !by_symbol && name && frame->name == text->plain)
        frame->name = keep_plain(texts, name);
    if (dwarf_decl_line(die, &line) == 0 && line > 0)
        frame->start_line = line;
}

static size_t without_function(struct texts *texts, struct unit *unit, uint64_t address, struct text *symbol,
                               struct named_frame *out)
{
    if (!symbol)
        return 0;
    *out = (struct named_frame){texts_readable(texts, symbol), symbol->plain, "", 0, 0};
    place_leaf(texts, unit, address, out);
    return 1;
}

size_t inlines_at(struct texts *texts, struct unit *unit, const struct function *function, uint64_t address,
                  struct text *fallback, struct named_frame out[NAMER_MAX_INLINE])
{
    if (!function)
        return without_function(texts, unit, address, fallback, out);
    struct chain c = {.n = 0};
    follow(&c, &function->die, address);
    size_t n = c.n < NAMER_MAX_INLINE ? c.n : NAMER_MAX_INLINE;
    for (size_t i = 0; i < n; i++) {
        struct named_frame *frame = &out[n - 1 - i];
        name_frame(texts, &c.die[i], i == 0 ? fallback : NULL, frame);
        if (i + 1 < c.n)
            place_caller(texts, unit, &c.die[i + 1], frame);
        else
            place_leaf(texts, unit, address, frame);
    }
    return out[n - 1].name[0] ? n : without_function(texts, unit, address, fallback, out);
}
