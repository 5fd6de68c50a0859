/*
 * Names in HTML: they come from the program and may hold anything. Pure functions, for any thread.
 */
#ifndef CPROF_HTTP_HTML_H
#define CPROF_HTTP_HTML_H

#include "base/buf.h"

/* As text, or inside a quoted attribute. */
void html_put(struct buf *out, const char *text, size_t n);

/* As one value of a query or one segment of a path, escaped so that no byte of it means anything in a URL or in HTML.
 */
void html_put_url(struct buf *out, const char *text, size_t n);

#endif
