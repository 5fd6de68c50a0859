/*
 * What `cprof run` asks of the program's own process: profile it from its start to its end, whatever the end is, and
 * serve if told so. Called once, by the preload stub's constructor.
 */
#ifndef CPROF_API_RUN_H
#define CPROF_API_RUN_H

#include "api/core_table.h"
#include "base/status.h"

/* Failures are said in one line each (base/say), and the program runs on. */
void run_start(const struct cprof_run *run, const struct hook_functions *next);

/* In the helper that outlives the image: names the dump in descriptor `dump` and writes the profile to `out`, added to
 * what that file holds where add is set. */
enum status run_write_dump(int dump, int out, int add, const char *program_link, struct reason *why);

#endif
