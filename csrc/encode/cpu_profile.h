/*
 * A CPU profile out of what was collected: names, losses, comments, bytes. Ordinary threads; may take a second in a
 * program with much debug information.
 */
#ifndef CPROF_ENCODE_CPU_PROFILE_H
#define CPROF_ENCODE_CPU_PROFILE_H

#include "base/status.h"
#include "profile/collect.h"
#include "profile/model.h"
#include "profile/process.h"
#include "sampler/cpu.h"
#include "sampler/vacated.h"

#include <stdint.h>

/* What is to be told of a window beside its stacks. Part of the dump's format: see encode/dump. */
struct cpu_facts {
    int64_t started_ns; /* wall clock */
    int64_t duration_ns;
    int32_t names; /* enum naming_names */
    struct cpu_stats stats;
    struct vacated vacated; /* since it started */
};

/* Fills m, which is initialised and empty. Addresses are those of process. */
enum status cpu_profile_fill(const struct cpu_facts *facts, const struct collect *collected,
                             const struct process *process, struct model *m, struct reason *why);

#endif
