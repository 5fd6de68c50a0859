/*
 * What pprof_read needs below protobuf-c: the fields of the outermost message one by one, so that only one
 * row of a file is ever unpacked at a time, and the memory to unpack it in. Private to encode/.
 */
#ifndef CPROF_ENCODE_PPROF_WIRE_H
#define CPROF_ENCODE_PPROF_WIRE_H

#include "base/status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64BIT = 1,
    WIRE_BYTES = 2,
    WIRE_32BIT = 5,
};

struct wire {
    const uint8_t *bytes;
    size_t n;
    size_t at;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    const uint8_t *start;   /* of the field, with its tag */
    const uint8_t *content; /* without tag and length */
    size_t content_len;     /* the field ends behind its content */
};

/* The next field. *more is false at the end. STATUS_MALFORMED with a reason. Never reads past n. */
enum status wire_next(struct wire *w, struct wire_field *field, bool *more, struct reason *why);

/* A 2-byte message of the wire becomes some 100 bytes unpacked, so a row is bounded by what it becomes:
 * enough for a stack a million frames deep. */
#define ARENA_MAX_BYTES ((size_t)256 << 20)

/* Memory for one unpacked row, reused for the next. */
struct arena_block;
struct arena {
    ProtobufCAllocator allocator; /* hand this to protobuf-c; its free does nothing */
    struct arena_block *block;    /* the newest and largest, linked to the older ones */
    size_t total;
    bool too_big; /* ARENA_MAX_BYTES was reached */
    bool no_memory;
};

void arena_init(struct arena *a); /* a must not move afterwards */
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);

#endif
