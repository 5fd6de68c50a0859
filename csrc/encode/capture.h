/*
 * One CPU profile from its first tick to gzipped bytes: the engine's window, collecting, naming, writing.
 * Ordinary threads. capture_start returns at once (a few ms); capture_finish names and encodes and may
 * take a second in a program with much debug information, so an event loop calls it on a worker.
 */
#ifndef CPROF_ENCODE_CAPTURE_H
#define CPROF_ENCODE_CAPTURE_H

#include "base/buf.h"
#include "base/status.h"

#include <stdint.h>

struct capture;

/* hz 0 = the set rate. STATUS_BUSY with a reason when CPU profiling cannot start. */
enum status capture_start(uint32_t hz, struct capture **out, struct reason *why);

/* Ends the window, appends the profile to out. Frees c whatever happens. */
enum status capture_finish(struct capture *c, struct buf *out, struct reason *why);

/* Ends the window and forgets it. */
void capture_cancel(struct capture *c);

#endif
