/*
 * What is published as OpenMetrics text: numbers are gauges, maps of numbers a family with the label `key`, texts
 * NAME_info; of functions and cprof's own, what they wrote is taken apart in the same way, and what is no number is
 * left out. Names become those that the format allows, and stay different.
 */
#ifndef CPROF_ENCODE_OPENMETRICS_H
#define CPROF_ENCODE_OPENMETRICS_H

#include "encode/functions.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* As expvar_write. */
bool openmetrics_write(struct buf *out, const struct functions *functions);

#endif
