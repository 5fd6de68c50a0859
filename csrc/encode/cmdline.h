/*
 * The command line of this process, read from the kernel: a program may have changed it since it was started. Ordinary
 * threads, any number at once.
 */
#ifndef CPROF_ENCODE_CMDLINE_H
#define CPROF_ENCODE_CMDLINE_H

#include "base/buf.h"
#include "base/status.h"

/* The arguments, a NUL between each two. */
enum status cmdline_put(struct buf *out, struct reason *why);

/* As a JSON array of strings in one line; empty where the kernel does not tell. May be 100 ms old. */
void cmdline_put_json(struct buf *out);

#endif
