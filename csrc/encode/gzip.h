/* gzip in memory, over zlib. Ordinary threads only. */
#ifndef CPROF_ENCODE_GZIP_H
#define CPROF_ENCODE_GZIP_H

#include "base/buf.h"
#include "base/status.h"

enum status gzip_deflate(const void *bytes, size_t n, int level, struct buf *out);

/* Concatenated members are read as one, as gunzip does. STATUS_MALFORMED (with a reason: truncated,
 * checksum) or STATUS_TOO_BIG past limit bytes of output. */
enum status gzip_inflate(const void *bytes, size_t n, size_t limit, struct buf *out, struct reason *why);

#endif
