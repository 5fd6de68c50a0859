#include "symbol/texts.h"

#include "profile/hash.h"
#include "symbol/demangle.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u /* some thousand names; a longer string gets a chunk of its own */
#define FIRST_SLOTS 1024u

struct text_chunk {
    struct text_chunk *next;
    size_t used, room;
    char bytes[];
};

void texts_fini(struct texts *t)
{
    while (t->chunks) {
        struct text_chunk *next = t->chunks->next;
        free(t->chunks);
        t->chunks = next;
    }
    free(t->slots);
    *t = (struct texts){0};
}

static void *take(struct texts *t, size_t n)
{
    n = (n + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (!t->chunks || n > t->chunks->room - t->chunks->used) {
        size_t room = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        struct text_chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        *chunk = (struct text_chunk){.next = t->chunks, .room = room};
        t->chunks = chunk;
    }
    void *at = t->chunks->bytes + t->chunks->used;
    t->chunks->used += n;
    return at;
}

static char *copy(struct texts *t, const char *bytes, size_t n)
{
    char *at = take(t, n + 1);
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
    struct text **slots = calloc(wider, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < t->slot_count; i++)
        if (t->slots[i])
            *slot_of(slots, wider, t->slots[i]->plain, strlen(t->slots[i]->plain)) = t->slots[i];
    free(t->slots);
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
    struct text *text = take(t, sizeof *text);
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
