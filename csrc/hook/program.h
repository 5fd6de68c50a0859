/*
 * Can a program that is about to be started be profiled? Some would not start at all with a library of ours preloaded:
 * the loader of another C library, a sanitizer that wants to be first.
 */
#ifndef CPROF_HOOK_PROGRAM_H
#define CPROF_HOOK_PROGRAM_H

/* Why it is better left alone, "it is ..."; NULL where nothing speaks against it, or it cannot be read. Follows #!
 * lines. Any context. */
const char *program_unfit(const char *path);

#endif
