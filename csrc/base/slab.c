#include "base/slab.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#define CHUNK_BYTES ((size_t)64 << 10) /* 400 stacks of 20 frames: a profile of a small program is one chunk */
#define ALIGN       _Alignof(max_align_t)

struct slab_chunk {
    struct slab_chunk *next;
    size_t bytes;
    _Alignas(max_align_t) unsigned char room[];
};

static _Atomic size_t held_bytes;

void *slab_pages(size_t n)
{
    void *pages = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    atomic_fetch_add_explicit(&held_bytes, n, memory_order_relaxed);
    return pages;
}

void slab_pages_free(void *pages, size_t n)
{
    if (!pages)
        return;
    munmap(pages, n);
    atomic_fetch_sub_explicit(&held_bytes, n, memory_order_relaxed);
}

size_t slab_held_bytes(void)
{
    return atomic_load_explicit(&held_bytes, memory_order_relaxed);
}

static size_t room_of(const struct slab_chunk *c)
{
    return c->bytes - offsetof(struct slab_chunk, room);
}

void *slab_get(struct slab *s, size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + ALIGN - 1) & ~(ALIGN - 1);
    if (!s->chunks || n > room_of(s->chunks) - s->used) {
        size_t bytes = CHUNK_BYTES;
        if (n > bytes - sizeof(struct slab_chunk))
            bytes = n + sizeof(struct slab_chunk);
        struct slab_chunk *c = slab_pages(bytes);
        if (!c)
            return NULL;
        c->next = s->chunks;
        c->bytes = bytes;
        s->chunks = c;
        s->used = 0;
        s->bytes += bytes;
    }
    void *at = s->chunks->room + s->used;
    s->used += n;
    return at;
}

void slab_fini(struct slab *s)
{
    for (struct slab_chunk *c = s->chunks, *next; c; c = next) {
        next = c->next;
        slab_pages_free(c, c->bytes);
    }
    *s = (struct slab){0};
}
