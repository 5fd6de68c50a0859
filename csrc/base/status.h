/*
 * The one error convention of ordinary code: functions return enum status, results go through
 * out-parameters, and a function that can say more than a code takes a struct reason last.
 *
 * The public enum cprof_status in cprof.h has the same values (asserted in api/).
 */
#ifndef CPROF_BASE_STATUS_H
#define CPROF_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_NOMEM = -1,
    STATUS_INVALID = -2,   /* an argument is out of its range */
    STATUS_BUSY = -3,      /* already running */
    STATUS_IN_USE = -4,    /* the address is taken by another socket, the name by another variable */
    STATUS_ADDRESS = -5,   /* the address cannot be read or does not resolve */
    STATUS_DENIED = -6,    /* policy or the kernel's permissions forbid it */
    STATUS_SYSTEM = -7,    /* the kernel refused; the reason has errno's text */
    STATUS_MALFORMED = -8, /* not a valid profile */
    STATUS_TOO_BIG = -9,   /* beyond a named bound */
    STATUS_NOT_RUNNING = -10,
    STATUS_DISABLED = -11, /* CPROF_DISABLE is set */
    STATUS_UNSUPPORTED = -12,
    STATUS_NO_CORE = -13, /* libcprof_core.so cannot be opened */
};

/* One sentence for a person, without newline. Empty when there is nothing to add. */
struct reason {
    char text[256];
};

/* Formats into why (may be NULL) and returns code, so that `return status_because(...)` reads. */
enum status status_because(struct reason *why, enum status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What strerror says to who has set no language. The user's own may have to be converted first, for which libc loads a
 * module: not on a thread that must get on while another one holds the loader's lock. */
const char *status_errno(int err);

/* A fixed sentence for code, never NULL. */
const char *status_text(enum status code);

#endif
