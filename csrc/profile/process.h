/*
 * The process that addresses belong to, as far as naming them needs it: what is mapped where, and the mapped bytes.
 * Either this one, or one that is ending and has left a dump (encode/undump). Ordinary threads.
 */
#ifndef CPROF_PROFILE_PROCESS_H
#define CPROF_PROFILE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct process {
    /* The text of its /proc/PID/maps; NULL with errno. */
    FILE *(*open_maps)(void *self);
    /* All n bytes at address, or false: an error, not a signal, where they are not mapped. */
    bool (*read)(void *self, uint64_t address, void *into, size_t n);
    /* The link to its running program, which leads to the very file even when that was replaced. */
    const char *program_link;
    /* What it calls itself, in the names of files too; NULL or 0: unknown. */
    pid_t (*pid)(void *self);
    void *self;
};

extern const struct process process_self;

#endif
