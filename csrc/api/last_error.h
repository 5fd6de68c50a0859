/* The sentence behind a negative status: kept per process, for cprof_last_error(). */
#ifndef CPROF_API_LAST_ERROR_H
#define CPROF_API_LAST_ERROR_H

#include "base/status.h"

/* Remembers why (or the fixed text of code where why is empty) and returns code. STATUS_OK is not remembered. */
enum status last_error_keep(enum status code, const struct reason *why);

const char *last_error(void);

#endif
