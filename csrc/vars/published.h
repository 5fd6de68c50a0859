/*
 * What is published: a map from names to variables, from which nothing is ever taken out. The core's is what is served.
 * The front has one too, for what is published before the core is there; see door/vars.c for how the two meet.
 */
#ifndef CPROF_VARS_PUBLISHED_H
#define CPROF_VARS_PUBLISHED_H

#include "vars/map.h"

/* The map; made when first asked for. NULL: out of memory. */
struct var *published(void);

/* IN_USE when the name is taken, or kept for cprof's own: `cmdline`, `memstats`, `cprof`. Publishing the same variable
 * under the same name again is fine. Takes a reference. */
enum status published_add(const char *name, size_t n, struct var *v, struct reason *why);

/* For cprof's own. Both are called on the loop's thread, where they must be quick: one writes a JSON value, the other
 * families of OpenMetrics whose names begin with `cprof_`; it may be NULL. */
enum status published_add_own(const char *name, void (*json)(struct buf *out), void (*metrics)(struct buf *out));

/* Takes out what lost a race for its name. */
void published_withdraw(const char *name, size_t n);

#endif
