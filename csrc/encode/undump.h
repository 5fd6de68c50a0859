/*
 * From a dump (encode/dump) to a profile, in a process of its own: there the host's heap and locks, whatever state the
 * end found them in, do not matter.
 */
#ifndef CPROF_ENCODE_UNDUMP_H
#define CPROF_ENCODE_UNDUMP_H

#include "base/buf.h"
#include "base/status.h"

/* Appends the profile to out. program_link leads to the file of the dumped program. earlier, if n, is a profile of the
 * same program's earlier images, to which this one is added. */
enum status undump(int fd, const char *program_link, const void *earlier, size_t n, struct buf *out,
                   struct reason *why);

#endif
