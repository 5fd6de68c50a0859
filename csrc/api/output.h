/* Writing a profile to a descriptor of the program's. */
#ifndef CPROF_API_OUTPUT_H
#define CPROF_API_OUTPUT_H

#include "base/buf.h"
#include "base/descriptor.h"
#include "base/status.h"

/* STATUS_INVALID where fd cannot be written to. */
enum status output_check(int fd, struct reason *why);
enum status output_copy(int fd, struct descriptor *copy, struct reason *why);

/* A pipe whose reader has gone is an error, not a signal. */
enum status output_write(int fd, const struct buf *bytes, struct reason *why);

#endif
