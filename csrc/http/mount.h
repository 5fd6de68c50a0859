/*
 * The same pages behind a server of the program's own: a request as text in, the answer as bytes out, on the caller's
 * thread, which waits for as long as the answer takes. Whoever serves decides who may ask.
 */
#ifndef CPROF_HTTP_MOUNT_H
#define CPROF_HTTP_MOUNT_H

#include "base/buf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct mount_request {
    const char *method;
    const char *target; /* path and query, escaped as they came */
    const void *body;
    size_t body_bytes;
    int (*gone)(void *arg); /* may be NULL: has the client left? Asked now and then while a window is open */
    void *arg;
};

struct mount_answer {
    int code;
    struct buf headers; /* "Name: value\r\n" each, Content-Length left out */
    struct buf body;
};

enum mount_what { MOUNT_PATH, MOUNT_PROFILE, MOUNT_VARS };

/* MOUNT_PATH: what the path says, /debug/pprof/, /debug/vars or /debug/metrics; MOUNT_PROFILE: the profile of that name
 * wherever it is mounted; MOUNT_VARS likewise. STATUS_NOT_RUNNING: the client has left. a is initialised here and
 * valid only on STATUS_OK. */
enum status mount_serve(enum mount_what what, const char *name, const struct mount_request *r, struct mount_answer *a,
                        struct reason *why);

void mount_answer_fini(struct mount_answer *a);

#endif
