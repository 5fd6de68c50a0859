/*
 * What one client, and all of them together, may take from the host. Variables only so that tests need not
 * wait for a minute; nobody else writes them.
 */
#ifndef CPROF_HTTP_LIMITS_H
#define CPROF_HTTP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define LIMITS_PEERS_MAX 256 /* connections at once; beyond it accepting pauses */

#define LIMITS_DOORS 2 /* listeners: the program's own and the one asked for from outside */

struct http_limits {
    uint32_t peers;   /* at most LIMITS_PEERS_MAX */
    uint32_t waiting; /* of them, with an answer that takes its time: the others' place for what is answered at once */
    size_t target_bytes; /* of the request line */
    size_t header_bytes; /* request line and all header lines together */
    size_t body_bytes;
    size_t ahead_bytes; /* what a client may send while its request is being answered */
    size_t input_bytes; /* unread requests of all connections together: 256 × 1 MiB would be too much */
    int64_t request_ns; /* from accepting, or the end of the last answer, to the end of the next request:
                           idling, and a client that sends one byte now and then */
    int64_t slow_ns;    /* with the table full, an answer of which the client takes nothing so long makes room */
    int64_t stall_ns;   /* an answer of which the client takes nothing */
    int64_t answer_ns;  /* an answer, from its first byte to its last: one byte now and then */
    int64_t linger_ns;  /* what a refused client still sends is taken, so that it hears the refusal */
    int64_t look_ns;    /* how long an entry of the registry that was swept away is missing at most */
    int64_t open_ns;    /* how long who asks for a listener waits for the loop's thread, which needs microseconds */
    int64_t pause_ns;   /* accepting rests that long when the process has no descriptor left */
    int64_t leave_ns;   /* how long the end of the server waits for a profile that is being named, and nobody wants */
};

extern struct http_limits http_limits;

#define LIMITS_ACCEPT_FAILURES 8    /* in a row and not for want of descriptors: the server switches itself off */
#define LIMITS_IDLE_TURNS      1000 /* wake-ups in a row in which nothing moved: likewise */

#endif
