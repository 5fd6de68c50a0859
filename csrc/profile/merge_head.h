/* The half of a merge that is not samples: may these be summed, and what is said about the sum. For merge.c. */
#ifndef CPROF_PROFILE_MERGE_HEAD_H
#define CPROF_PROFILE_MERGE_HEAD_H

#include "profile/model.h"

/* STATUS_INVALID with a reason: none given, types differ, a scale is not finite. */
enum status merge_check(const struct model *const *inputs, const double *scales, size_t n, struct reason *why);

/* Types, period, times, comments and descriptions of checked inputs into the freshly initialised out. */
enum status merge_head(const struct model *const *inputs, size_t n, struct model *out);

#endif
