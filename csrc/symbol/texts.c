#include "symbol/texts.h"

#include "profile/hash.h"
#include "symbol/demangle.h"

#include <stdbool.h>
#include <string.h>

#define FIRST_SLOTS 1024u

static size_t slot_bytes(size_t slot_count)
{
    return slot_count * sizeof(struct text *);
}

void texts_fini(struct texts *t)
{
    slab_pages_free(t->slots, slot_bytes(t->slot_count));
    slab_fini(&t->memory);
    *t = (struct texts){0};
}

size_t texts_bytes(const struct texts *t)
{
    return t->memory.bytes + slot_bytes(t->slot_count);
}

static char *copy(struct texts *t, const char *bytes, size_t n)
{
    char *at = slab_get(&t->memory, n + 1);
    if (at) {
        memcpy(at, bytes, n);
        at[n] = '\0';
    }
    return at;
}

/* Where the text is, or the empty slot where it belongs. */
static struct text **slot_of(struct text **slots, size_t slot_count, const char *bytes, size_t n)
{
    size_t i = hash_bytes(hash_seed(), bytes, n) & (slot_count - 1);
    while (slots[i] && (strncmp(slots[i]->plain, bytes, n) != 0 || slots[i]->plain[n]))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static bool grow(struct texts *t)
{
    size_t wider = t->slot_count ? t->slot_count * 2 : FIRST_SLOTS;
    struct text **slots = slab_pages(slot_bytes(wider));
    if (!slots)
        return false;
    for (size_t i = 0; i < t->slot_count; i++)
        if (t->slots[i])
            *slot_of(slots, wider, t->slots[i]->plain, strlen(t->slots[i]->plain)) = t->slots[i];
    slab_pages_free(t->slots, slot_bytes(t->slot_count));
    t->slots = slots;
    t->slot_count = wider;
    return true;
}

struct text *texts_keep(struct texts *t, const char *bytes, size_t n)
{
    if (t->count * 2 >= t->slot_count && !grow(t))
        return NULL;
    struct text **slot = slot_of(t->slots, t->slot_count, bytes, n);
    if (*slot)
        return *slot;
    struct text *text = slab_get(&t->memory, sizeof *text);
    char *plain = copy(t, bytes, n);
    if (!text || !plain)
        return NULL;
    *text = (struct text){.plain = plain};
    t->count++;
    return *slot = text;
}

const char *texts_readable(struct texts *t, struct text *text)
{
    if (text->readable)
        return text->readable;
    char name[DEMANGLE_MAX];
    const char *readable = text->plain;
    if (demangle(text->plain, name)) {
        char *kept = copy(t, name, strlen(name));
        if (kept)
            readable = kept;
    }
    return text->readable = readable;
}
