/*
 * Go's execution trace, version 1.23 (the first in which a status has a stack, and so a goroutine a name): what
 * `go tool trace` reads. One generation:
 *
 *     "go 1.23 trace" and three NULs
 *     batches of events, each of one thread ("M"): type, time since the one before, arguments
 *     batches of strings and of stacks, and one with the clock's frequency
 *
 * All numbers are LEB128. The reader goes by order and sequence numbers, not by time. Ordinary threads.
 */
#ifndef CPROF_ENCODE_GOTRACE_H
#define CPROF_ENCODE_GOTRACE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define GOTRACE_NO_THREAD UINT64_MAX
#define GOTRACE_BATCH_MAX 65536 /* bytes of data; the reader takes no more */

enum gotrace_event {
    GOTRACE_PROC_START = 10,         /* p, sequence of p */
    GOTRACE_PROC_STOP = 11,          /* */
    GOTRACE_PROC_STATUS = 13,        /* p, enum gotrace_proc */
    GOTRACE_GO_START = 16,           /* g, sequence of g */
    GOTRACE_GO_DESTROY = 17,         /* */
    GOTRACE_GO_DESTROY_SYSCALL = 18, /* */
    GOTRACE_GO_BLOCK = 20,           /* reason (string), stack */
    GOTRACE_GO_UNBLOCK = 21,         /* g, sequence of g, stack */
    GOTRACE_SYSCALL_BEGIN = 22,      /* sequence of p, stack */
    GOTRACE_SYSCALL_END_BLOCKED = 24,
    GOTRACE_GO_STATUS = 48, /* g, thread, enum gotrace_go, stack */
};

enum gotrace_proc { GOTRACE_PROC_RUNNING = 1, GOTRACE_PROC_IDLE = 2 };
enum gotrace_go { GOTRACE_RUNNABLE = 1, GOTRACE_RUNNING, GOTRACE_IN_SYSCALL, GOTRACE_WAITING };

/* Equal pcs must have equal frames. */
struct gotrace_frame {
    uint64_t pc;
    uint64_t function, file; /* ids of strings */
    uint64_t line;
};

struct gotrace {
    struct buf *out;
    uint64_t began_ns;
    struct buf events, strings, stacks; /* data of the batches that are being filled */
    uint64_t thread, batch_ns, last_ns; /* of events */
    uint64_t n_strings, n_stacks;
};

/* Appends to out, whose failure is the writer's. */
void gotrace_start(struct gotrace *t, uint64_t now_ns, struct buf *out);

/* Its id: 0 for "", which every reader knows. What is too long is cut. */
uint64_t gotrace_string(struct gotrace *t, const char *text);

/* Leaf first, 128 frames at most. */
uint64_t gotrace_stack(struct gotrace *t, const struct gotrace_frame *frames, size_t n);

/* From here on events are of that thread; they come by rising time. */
void gotrace_thread(struct gotrace *t, uint64_t thread);
void gotrace_put(struct gotrace *t, uint64_t now_ns, enum gotrace_event type, const uint64_t *args, size_t n);

#define GOTRACE_PUT(t, ns, type, ...)                                                                                  \
    gotrace_put(t, ns, type, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

/* Writes what is left, and frees. */
void gotrace_end(struct gotrace *t);

#endif
