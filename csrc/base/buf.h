/*
 * A growable run of bytes for building answers. Failure is sticky: after an allocation fails every
 * call is a no-op and `failed` stays set, so a writer checks once, at its end. Ordinary threads only.
 */
#ifndef CPROF_BASE_BUF_H
#define CPROF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* not NUL-terminated */
    size_t len;
    size_t cap;
    bool failed;
};

void buf_fini(struct buf *b);
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for n more bytes, to be filled by the caller who then adds to len. NULL on failure. */
char *buf_reserve(struct buf *b, size_t n);

#endif
