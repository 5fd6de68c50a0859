#include "encode/pprof_wire.h"

#include <stdlib.h>

#define VARINT_MAX_BYTES  10 /* 64 bits, 7 a byte */
#define ARENA_FIRST_BYTES ((size_t)1 << 16)
#define ARENA_ALIGN       16

static bool varint(struct wire *w, uint64_t *value)
{
    *value = 0;
    for (unsigned int i = 0; i < VARINT_MAX_BYTES && w->at < w->n; i++) {
        uint8_t byte = w->bytes[w->at++];
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The bytes behind the tag; false when they are cut short. */
static bool content(struct wire *w, struct wire_field *field)
{
    uint64_t n;
    size_t first = w->at;
    switch (field->type) {
    case WIRE_VARINT:
        if (!varint(w, &n))
            return false;
        n = w->at - first;
        w->at = first;
        break;
    case WIRE_64BIT: n = 8; break;
    case WIRE_32BIT: n = 4; break;
    default:
        if (!varint(w, &n))
            return false;
    }
    if (n > w->n - w->at)
        return false;
    field->content = w->bytes + w->at;
    field->content_len = n;
    w->at += n;
    return true;
}

enum status wire_next(struct wire *w, struct wire_field *field, bool *more, struct reason *why)
{
    *more = w->at < w->n;
    if (!*more)
        return STATUS_OK;
    size_t start = w->at;
    uint64_t tag;
    if (!varint(w, &tag))
        return status_because(why, STATUS_MALFORMED, "not a profile: byte %zu starts no protobuf field", start);
    uint64_t type = tag & 7;
    if (!(tag >> 3) || tag >> 3 > UINT32_MAX >> 3)
        return status_because(why, STATUS_MALFORMED, "not a profile: byte %zu starts no protobuf field", start);
    if (type != WIRE_VARINT && type != WIRE_64BIT && type != WIRE_BYTES && type != WIRE_32BIT)
        return status_because(why, STATUS_MALFORMED, "not a profile: byte %zu has protobuf wire type %d", start,
                              (int)type);
    *field =
        (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)type, .start = w->bytes + start};
    if (!content(w, field))
        return status_because(why, STATUS_MALFORMED, "truncated, or not a profile: the field at byte %zu is cut short",
                              start);
    return STATUS_OK;
}

struct arena_block {
    struct arena_block *older;
    size_t size, used;
    _Alignas(ARENA_ALIGN) unsigned char bytes[];
};

static struct arena_block *arena_grow(struct arena *a, size_t n)
{
    size_t size = a->block ? a->block->size * 2 : ARENA_FIRST_BYTES;
    if (size < n)
        size = n;
    if (n > ARENA_MAX_BYTES - a->total) {
        a->too_big = true;
        return NULL;
    }
    if (size > ARENA_MAX_BYTES - a->total)
        size = ARENA_MAX_BYTES - a->total;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block) {
        a->no_memory = true;
        return NULL;
    }
    *block = (struct arena_block){.older = a->block, .size = size};
    a->block = block;
    a->total += size;
    return block;
}

static void *arena_alloc(void *self, size_t n)
{
    struct arena *a = self;
    if (n > ARENA_MAX_BYTES) {
        a->too_big = true;
        return NULL;
    }
    n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct arena_block *block = a->block;
    if (!block || n > block->size - block->used)
        block = arena_grow(a, n);
    if (!block)
        return NULL;
    void *at = block->bytes + block->used;
    block->used += n;
    return at;
}

static void arena_free(void *self, void *pointer)
{
    (void)self;
    (void)pointer;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
    a->allocator = (ProtobufCAllocator){.alloc = arena_alloc, .free = arena_free, .allocator_data = a};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->block);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    if (!a->block)
        return;
    free_blocks(a->block->older);
    a->block->older = NULL;
    a->block->used = 0;
    a->total = a->block->size;
}
