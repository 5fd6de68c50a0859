/*
 * One listening socket: TCP on loopback or a unix socket with its file. Opened and closed by the loop's thread, in
 * whose descriptor table it is.
 */
#ifndef CPROF_HTTP_LISTENER_H
#define CPROF_HTTP_LISTENER_H

#include "base/descriptor.h"
#include "base/status.h"
#include "http/address.h"

struct listener {
    struct descriptor socket; /* non-blocking */
    char text[ADDRESS_ROOM];  /* as address_print: with the port it was given */

    /* of a unix socket's file; ino 0: none */
    dev_t file_dev;
    ino_t file_ino;
};

/* Clients may connect as soon as it returns. A unix socket's file that nobody listens behind any more and that is this
 * user's is replaced; whatever else is there stays. STATUS_IN_USE, _DENIED, _ADDRESS, _SYSTEM. */
enum status listener_open(struct address *a, struct listener *out, struct reason *why);

/* Closes the socket and removes its file, each if it is still ours. */
void listener_close(struct listener *l);

/* Removes the file only, for a process that ends. */
void listener_unlink(const struct listener *l);

/* In a fork's child where it was in the host's table: the file is the parent's. */
void listener_after_fork_child(struct listener *l);

#endif
