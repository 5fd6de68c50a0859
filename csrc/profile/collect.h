/*
 * From records to a profile: sums equal stacks while a window is open, and turns them into a model with
 * mappings and names when it closes. One thread at a time, or under the engine's lock.
 *
 * Loss is a sample that can be seen: <truncated> is the outermost frame of a stack that was cut, <partial> of one that
 * could not be walked to its end; <lost: ...> stands for CPU time nobody saw.
 */
#ifndef CPROF_PROFILE_COLLECT_H
#define CPROF_PROFILE_COLLECT_H

#include "base/stacktab.h"
#include "profile/maps.h"
#include "profile/model.h"
#include "profile/namer.h"
#include "sig/record.h"

struct collect {
    struct stacktab stacks; /* weights: ticks, nanoseconds of CPU */
};

enum status collect_init(struct collect *c);
void collect_fini(struct collect *c);

/* The record's stack, for so many ticks of so long a period, in a thread of that name (as struct stack_key has it). */
void collect_put(struct collect *c, const struct record *record, const char *thread, uint32_t ticks,
                 uint32_t period_ns);

/* Adds what was collected to out, which has two sample types: samples/count, cpu/nanoseconds. */
enum status collect_model(const struct collect *c, const struct maps *maps, const struct namer *namer,
                          struct model *out);

/* Adds ticks of ns CPU time under a pseudo frame, such as "<lost: ring full>". */
enum status collect_add_lost(struct model *out, const char *frame, int64_t ticks, int64_t ns);

#endif
