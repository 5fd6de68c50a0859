/*
 * What stands in for the engine and for debug information where strangers' bytes are fuzzed, which are in front of
 * both. Included by a fuzzer once: these take the place of the library's.
 */
#ifndef CPROF_FUZZ_NO_ENGINE_H
#define CPROF_FUZZ_NO_ENGINE_H

#include "encode/capture.h"
#include "symbol/symbols.h"

#include <stdlib.h>

enum status capture_start(uint32_t hz, struct capture **out, struct reason *why)
{
    (void)hz, (void)why;
    *out = (struct capture *)malloc(1); /* leaked where nobody cancels it */
    return STATUS_OK;
}

enum status capture_finish(struct capture *c, enum naming_names names, struct buf *out, struct reason *why)
{
    (void)names, (void)why;
    free(c);
    buf_puts(out, "profile");
    return STATUS_OK;
}

void capture_cancel(struct capture *c)
{
    free(c);
}

static size_t odd_frames(void *self, uint64_t address, struct named_frame out[NAMER_MAX_INLINE])
{
    (void)self;
    out[0] = (struct named_frame){.name = "a\nname", .system_name = ""};
    return address & 1;
}

static bool no_build_id(void *self, uint64_t address, char *hex, size_t room)
{
    (void)self, (void)address, (void)hex, (void)room;
    return false;
}

static uint64_t no_entry(void *self, uint64_t address)
{
    (void)self, (void)address;
    return 0;
}

enum status symbols_open(struct symbols **out, const struct process *process, struct reason *why)
{
    (void)process, (void)why;
    *out = NULL;
    return STATUS_OK;
}

void symbols_close(struct symbols *s)
{
    (void)s;
}

struct namer symbols_namer(struct symbols *s)
{
    return (struct namer){.frames = odd_frames, .build_id = no_build_id, .entry = no_entry, .self = s};
}

#endif
