/*
 * An address, and who is let in there, on its way to the loop's thread, and what became of it. Listeners belong in the
 * descriptor table of that thread, which nobody else can open anything in; who asks for one wants to know at once
 * whether it listens. One at a time: who asks holds the server's lock.
 *
 *     EMPTY → ASKED → TAKEN → ANSWERED → EMPTY       asker, loop, loop, asker
 *     ASKED → EMPTY, TAKEN → GIVEN_UP                the asker's patience has ended; the loop drops what it opened late
 *     any → CLOSED                                   a loop that ends: it answers nobody any more
 *
 * Constructors ask too, while their thread holds the loader's lock. So the loop's thread must never wait for that lock,
 * neither to answer nor before it comes to answer: no dl_iterate_phdr, dlsym or dlopen, no resolver, no strerror (whose
 * translation may load a converter: status_errno instead), no libc function called for the first time (the core is
 * linked with -z now). What has to ask the loader goes to the worker or to a thread of its own, and the loop waits for
 * neither, unless it ends. It needs no lock that an asker holds.
 */
#ifndef CPROF_HTTP_OPENING_H
#define CPROF_HTTP_OPENING_H

#include "base/status.h"
#include "http/address.h"
#include "http/policy.h"

#include <stdbool.h>

struct opening {
    struct address address;
    struct policy policy;
};

struct opened {
    enum status status;
    struct reason why;
    int door; /* of the loop */
    char text[ADDRESS_ROOM];
};

/* The asker's. The first of a loop is put there before its thread is started. */
void opening_first(const struct opening *wanted);

/* False: the loop takes none now. */
bool opening_ask(const struct opening *wanted);

/* False after http_limits.open_ns without an answer. */
bool opening_wait(struct opened *out);

/* The loop's: false where nobody asks. Each that is taken is answered; false: nobody waits for it any more. */
bool opening_take(struct opening *wanted);
bool opening_answer(const struct opened *o);
void opening_close(void);

void opening_after_fork_child(void);

#endif
