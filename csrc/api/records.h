/* Profiles into memory, any number at a time: what the Python door's cprof.record stands on. */
#ifndef CPROF_API_RECORDS_H
#define CPROF_API_RECORDS_H

#include "base/buf.h"
#include "base/status.h"

struct cprof_record;

/* kind: "cpu" or "profile". hz 0 = the set rate. */
enum status records_start(const char *kind, int hz, struct cprof_record **out, struct reason *why);

/* Appends the profile to out and frees r whatever happens. STATUS_NOT_RUNNING in a child of fork, where r is the
 * parent's. */
enum status records_stop(struct cprof_record *r, struct buf *out, struct reason *why);

/* Ends it and forgets what it has, in a child of fork too. */
void records_drop(struct cprof_record *r);

#endif
