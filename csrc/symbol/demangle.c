#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What libiberty does without writing anything doubles with each of them. */
#define MAX_TRIALS     8
#define MAX_REFERENCES 10

#define MAX_LIFETIMES_DIGITS 2 /* to the base of 62 */

#define IS_ALNUM(c) (((c) >= '0' && (c) <= '9') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))

struct writer {
    char *out;
    size_t len;
    jmp_buf full;
};

/* Where one part of a name stands for two of the part before, 400 bytes are more text than anybody could wait for. So
 * libiberty is left as soon as there is no room: it holds nothing meanwhile, but for an identifier of Rust's in
 * punycode, which is lost. */
static void put(const char *bytes, size_t n, void *self)
{
    struct writer *w = self;
    size_t room = DEMANGLE_MAX - 1 - w->len;
    if (n)
        memcpy(w->out + w->len, bytes, n < room ? n : room);
    if (n > room)
        longjmp(w->full, 1);
    w->len += n;
}

static bool write_by(int (*demangler)(const char *, int, demangle_callbackref, void *), const char *mangled,
                     int options, char out[DEMANGLE_MAX])
{
    struct writer w = {.out = out};
    if (setjmp(w.full)) {
        memcpy(out + DEMANGLE_MAX - 4, "...", 4);
        return true;
    }
    bool is_name = demangler(mangled, options, put, &w) != 0 && w.len > 0;
    out[w.len] = '\0';
    return is_name;
}

/* The tree that libiberty reads a name into. Parts of it have several parents. */
struct tree {
    const struct demangle_component *at;
    size_t n;
    uint16_t *sizes; /* by component, 0 where not known yet; no more than DEMANGLE_MAX */
};

/* How many components are met by a walk that goes into each as often as it comes to it. Whatever lies in the place of a
 * pointer to a component, and is none, counts nothing. */
static size_t unfolded(const struct tree *t, const struct demangle_component *c)
{
    uintptr_t offset = (uintptr_t)c - (uintptr_t)t->at;
    size_t i = offset / sizeof *c;
    if (i >= t->n || offset % sizeof *c)
        return 0;
    if (t->sizes[i])
        return t->sizes[i];
    t->sizes[i] = 1;
    size_t size = 1 + unfolded(t, c->u.s_binary.left) + unfolded(t, c->u.s_binary.right);
    return t->sizes[i] = (uint16_t)(size < DEMANGLE_MAX ? size : DEMANGLE_MAX);
}

/* Each of them at most doubles a walk. */
static bool has_few_references(const char *mangled)
{
    size_t n = 0;
    for (const char *at = mangled; (at = strchr(at, 'S'));) {
        at++;
        n += at[strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '_';
    }
    return n <= MAX_REFERENCES;
}

/* Where a pack is to be written out it is looked for by such a walk. What that many components would be is cut in any
 * case. Some names libiberty reads only at a second try, of which it shows no tree. */
static bool has_short_walks(const char *mangled, int options)
{
    if (!strstr(mangled, "Dp") && !strstr(mangled, "sZ") && !strstr(mangled, "sP"))
        return true;
    void *memory = NULL;
    const struct demangle_component *root = cplus_demangle_v3_components(mangled, options, &memory);
    struct tree t = {.at = memory, .n = 2 * strlen(mangled)}; /* as many as libiberty has room for */
    t.sizes = root ? calloc(t.n, sizeof *t.sizes) : NULL;
    size_t size = t.sizes ? unfolded(&t, root) : 0;
    free(t.sizes);
    free(memory);
    return root ? size > 0 && size < DEMANGLE_MAX : has_few_references(mangled);
}

/* After "cv", what follows a template's parameter is first read as its arguments and then, where those were none, once
 * more. */
static bool has_few_trials(const char *mangled)
{
    size_t trials = 0;
    if (!strstr(mangled, "cv"))
        return true;
    for (const char *at = mangled; (at = strchr(at, 'T'));) {
        at++;
        const char *end = at + strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        trials += end[0] == '_' && end[1] == 'I';
    }
    return trials <= MAX_TRIALS;
}

static bool follows_tag(const char *name, const char *at)
{
    return at > name && (at[-1] == 'F' || at[-1] == 'D');
}

/* Where "FG" or "DG" begins so many lifetimes that counting them one by one takes too long; NULL: nowhere. */
static char *find_lifetimes(char *name)
{
    for (char *at = name; (at = strchr(at, 'G')); at++) {
        size_t digits = 0;
        while (IS_ALNUM(at[1 + digits]))
            digits++;
        if (digits > MAX_LIFETIMES_DIGITS && at[1 + digits] == '_' && follows_tag(name, at))
            return at;
    }
    return NULL;
}

/* A letter that does not stand behind those two anywhere; 0: none. */
static char spare_letter(const char *name)
{
    static const char letters[] = "HIJKLMNOPQRSTUVWXYZ";
    for (const char *letter = letters; *letter; letter++) {
        const char *at = name;
        while ((at = strchr(at, *letter)) && !follows_tag(name, at))
            at++;
        if (!at)
            return *letter;
    }
    return '\0';
}

/* Lifetimes are counted also where they are not written. What looks like too many may be a crate's hash, which nobody
 * sees, or part of an identifier: so it is spelt otherwise for a moment, with which lifetimes are none any more. */
static bool demangle_rust(const char *mangled, char out[DEMANGLE_MAX])
{
    char name[DEMANGLE_MAX_MANGLED], letter = spare_letter(mangled);
    bool is_respelt = false;
    memcpy(name, mangled, strlen(mangled) + 1);
    for (char *at; (at = find_lifetimes(name)); is_respelt = true) {
        if (!letter)
            return false;
        *at = letter;
    }
    if (!write_by(rust_demangle_callback, name, DMGL_PARAMS, out))
        return false;
    for (char *at = out; is_respelt && (at = strchr(at, letter)); at++)
        if (follows_tag(out, at))
            *at = 'G';
    return true;
}

/* Rust goes first: its older mangling is valid C++ too, and would show its hash as a namespace. */
bool demangle(const char *mangled, char out[DEMANGLE_MAX])
{
    const int cplus = DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP;
    if (mangled[0] != '_' || strnlen(mangled, DEMANGLE_MAX_MANGLED) == DEMANGLE_MAX_MANGLED)
        return false;
    if (demangle_rust(mangled, out))
        return true;
    return mangled[1] != 'R' && has_few_trials(mangled) && has_short_walks(mangled, cplus) &&
           write_by(cplus_demangle_v3_callback, mangled, cplus, out);
}
