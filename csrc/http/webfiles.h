/*
 * The files of cprof/web that the target serves, kept in the core as they are: it needs no file at run time. Constant
 * bytes, for any thread.
 */
#ifndef CPROF_HTTP_WEBFILES_H
#define CPROF_HTTP_WEBFILES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct webfile {
    const char *name;
    const char *content_type;
    const char *bytes; /* not NUL-terminated */
    size_t n;
};

/* False when there is no such file. */
bool webfiles_find(const char *name, size_t n, struct webfile *out);

/* Appends the file with each mark <!--cprof:WORD--> replaced by what put writes for WORD, to out. */
void webfiles_fill(struct buf *out, const struct webfile *file, void (*put)(void *self, const char *word, size_t n),
                   void *self);

#endif
