/*
 * Tells this user's other processes that this one serves, and where: a file named by the pid in a folder of the
 * user's, $XDG_RUNTIME_DIR/cprof or /tmp/cprof-UID. `cprof ps` lists them, and finds a server by its pid.
 *
 *     cprof 1
 *     pid: 4711
 *     start: 815042                   field 22 of /proc/PID/stat: a pid that was used again has another
 *     version: 0.1
 *     address: 127.0.0.1:6060         one line for each listener
 *     command: ./app --name=a\x20b    an argument each; blanks, backslashes and control characters as \xHH
 *
 * A convenience that must not harm: where the folder is not private to this user, or anything else is in the way,
 * there is no file and nothing is said. A file may outlive its server (SIGKILL, exec), so who reads one knocks first.
 *
 * Everything but registry_set_version and registry_leave is the loop's thread's; files are opened on a short-lived
 * thread with a descriptor table of its own, so that the host's never has them.
 */
#ifndef CPROF_HTTP_REGISTRY_H
#define CPROF_HTTP_REGISTRY_H

#include "http/address.h"
#include "http/limits.h"

#include <stddef.h>
#include <stdint.h>

struct registry_addresses {
    char text[LIMITS_DOORS][ADDRESS_ROOM];
    size_t n;
};

/* What the files say of the library; a constant. */
void registry_set_version(const char *version);

/* Before the loop's thread is started: reads the environment, which the host may change later on. */
void registry_prepare(void);

/* From now on these are served, and no others. */
void registry_publish(const struct registry_addresses *a);

/* To be called now and then: begins to write what was published; writes it again where it was swept away (folders in
 * /tmp are), or where the process has become another user's. Does not wait. */
void registry_tend(int64_t now_ns);

/* Nothing is served any more. */
void registry_withdraw(void);

/* The process ends: removes the file. Any thread; waits for some milliseconds at most. */
void registry_leave(void);

/* The file is the parent's. */
void registry_after_fork_child(void);

#endif
