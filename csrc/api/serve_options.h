/*
 * The options of cprof_serve_with as a program of another version passes them: its struct may be shorter, or longer.
 */
#ifndef CPROF_API_SERVE_OPTIONS_H
#define CPROF_API_SERVE_OPTIONS_H

#include "api/cprof.h"
#include "base/status.h"

/* What is missing is zero, and so must be what is not known here: STATUS_INVALID otherwise. NULL is all zero. */
enum status serve_options_read(const struct cprof_serve_options *given, struct cprof_serve_options *out,
                               struct reason *why);

#endif
