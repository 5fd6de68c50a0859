/*
 * A profile of the program's own, as a profile. Ordinary threads.
 */
#ifndef CPROF_ENCODE_CUSTOM_PROFILE_H
#define CPROF_ENCODE_CUSTOM_PROFILE_H

#include "profile/locate.h"
#include "sampler/custom.h"

/* One sample for each stack, in the order of custom_each. */
enum status custom_profile_fill(struct custom *c, struct locator *locator);

#endif
