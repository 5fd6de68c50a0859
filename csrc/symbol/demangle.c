#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <string.h>

struct writer {
    char *out;
    size_t len;
    bool cut;
};

static void put(const char *bytes, size_t n, void *self)
{
    struct writer *w = self;
    size_t room = DEMANGLE_MAX - 1 - w->len;
    if (n > room) {
        n = room;
        w->cut = true;
    }
    memcpy(w->out + w->len, bytes, n);
    w->len += n;
}

static bool finish(struct writer *w)
{
    if (w->cut)
        memcpy(w->out + w->len - 3, "...", 3);
    w->out[w->len] = '\0';
    return w->len > 0;
}

/* Rust goes first: its older mangling is valid C++ too, and would show its hash as a namespace. */
bool demangle(const char *mangled, char out[DEMANGLE_MAX])
{
    if (mangled[0] != '_' || strnlen(mangled, DEMANGLE_MAX_MANGLED) == DEMANGLE_MAX_MANGLED)
        return false;
    struct writer w = {.out = out};
    if (rust_demangle_callback(mangled, DMGL_PARAMS, put, &w))
        return finish(&w);
    w = (struct writer){.out = out};
    if (cplus_demangle_v3_callback(mangled, DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP, put, &w))
        return finish(&w);
    return false;
}
