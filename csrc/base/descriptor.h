/*
 * Descriptors of ours inside a host that may close everything it finds and reuse the numbers. Each is
 * remembered with what it was (st_dev, st_ino) and asked before use; one that is no longer ours is forgotten,
 * never closed. An eventfd shares its inode with every other eventfd and epoll: for it the test only tells
 * that its number was not given to a socket or a file.
 */
#ifndef CPROF_BASE_DESCRIPTOR_H
#define CPROF_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>

struct descriptor {
    int fd; /* -1: none */
    dev_t dev;
    ino_t ino;
};

#define DESCRIPTOR_NONE                                                                                                \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

/* Remembers fd where it is. */
struct descriptor descriptor_of(int fd);

/* Moves fd out of the low numbers, which hosts close and reuse, and remembers it. Stays CLOEXEC. Where there
 * is no room it stays as it is. */
struct descriptor descriptor_lift(int fd);

/* A duplicate of the host's fd, CLOEXEC and out of the low numbers. fd is -1 with errno where there is none left. */
struct descriptor descriptor_copy(int fd);

bool descriptor_intact(const struct descriptor *d);

/* Closes it if it is still ours. */
void descriptor_close(struct descriptor *d);

#endif
