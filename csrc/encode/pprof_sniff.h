/* What a file is that pprof_read could not read, for a sentence that helps. Private to encode/. */
#ifndef CPROF_ENCODE_PPROF_SNIFF_H
#define CPROF_ENCODE_PPROF_SNIFF_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Overwrites why when the bytes are recognised. Only for bytes that failed: a profile may look like anything. */
bool pprof_sniff(const void *bytes, size_t n, struct reason *why);

#endif
