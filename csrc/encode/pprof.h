/*
 * Profiles as files: profile.proto through protobuf-c, gzip through zlib. Ordinary threads only.
 * Input is hostile: every index, id and length is checked, sizes are bounded by the names below.
 */
#ifndef CPROF_ENCODE_PPROF_H
#define CPROF_ENCODE_PPROF_H

#include "base/buf.h"
#include "profile/model.h"

#define PPROF_MAX_INFLATED_BYTES ((size_t)1 << 30) /* a gzip bomb ends here, STATUS_TOO_BIG */

/* Appends the gzipped (level 1, as Go) profile to out. */
enum status pprof_write(const struct model *m, struct buf *out, struct reason *why);

/* Reads a profile, gzipped or plain. m is initialised here and valid only on STATUS_OK; otherwise
 * why says what was received ("empty input", "an HTML page, not a profile", "gzip stream is truncated", ...). */
enum status pprof_read(const void *bytes, size_t n, struct model *m, struct reason *why);

#endif
