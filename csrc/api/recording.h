/* A CPU profile to a descriptor, without a server: what cprof_cpu_start and cprof_cpu_stop do. One at a time. */
#ifndef CPROF_API_RECORDING_H
#define CPROF_API_RECORDING_H

#include "base/status.h"

enum status recording_start(int fd, int hz, struct reason *why);
enum status recording_stop(struct reason *why);

#endif
