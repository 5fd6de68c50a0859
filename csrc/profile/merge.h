/*
 * Sums of profiles: result = sum of scale[i] * input[i], by stack and labels. A diff is scales {1, -1}.
 *
 * As in Go: the inputs need the same sample types in the same order and the same period type; samples
 * whose values are all 0 in the result vanish, negative values stay; the earliest time, the sum of the
 * durations (of a diff too), the larger period; comments are united.
 * Scaled values round half away from zero.
 */
#ifndef CPROF_PROFILE_MERGE_H
#define CPROF_PROFILE_MERGE_H

#include "profile/model.h"

/* out is initialised here and valid only on STATUS_OK. STATUS_INVALID with a reason where types differ. */
enum status merge_models(const struct model *const *inputs, const double *scales, size_t n, struct model *out,
                         struct reason *why);

#endif
