/*
 * One CPU profile from its first tick to gzipped bytes: the engine's window, collecting, naming, writing.
 * Ordinary threads. capture_start returns at once (a few ms); capture_finish names and encodes and may
 * take a second in a program with much debug information, so an event loop calls it on a worker.
 */
#ifndef CPROF_ENCODE_CAPTURE_H
#define CPROF_ENCODE_CAPTURE_H

#include "base/buf.h"
#include "base/status.h"
#include "encode/naming.h"

#include <stdbool.h>
#include <stdint.h>

struct capture;

/* hz 0 = the set rate. STATUS_BUSY with a reason when CPU profiling cannot start. */
enum status capture_start(uint32_t hz, struct capture **out, struct reason *why);

/* Ends the window, appends the profile to out. Frees c whatever happens. */
enum status capture_finish(struct capture *c, enum naming_names names, struct buf *out, struct reason *why);

/* Writes what was captured until now, raw, to fd (a file of ours that can be written at any offset); the capture then
 * begins anew. Any context, a signal handler or a helper that shares our memory included; host_ns: cpu_host_ns(),
 * asked in the process itself. */
bool capture_dump(struct capture *c, int fd, int64_t host_ns);

/* Ends the window and forgets it. */
void capture_cancel(struct capture *c);

#endif
