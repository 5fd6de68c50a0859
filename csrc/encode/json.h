/*
 * JSON, written as Go's expvar writes it, and checked. What is written is valid whatever the bytes: what is not UTF-8
 * becomes U+FFFD, what is not a number null. Ordinary threads.
 */
#ifndef CPROF_ENCODE_JSON_H
#define CPROF_ENCODE_JSON_H

#include "base/buf.h"

#include <stdint.h>

void json_put_int(struct buf *out, int64_t value);

/* The shortest text that reads back as the same number, as strconv's 'g' with precision -1. */
void json_put_float(struct buf *out, double value);

/* In quotes; < > & and the two line separators are escaped too, so that the text is harmless inside a page. */
void json_put_string(struct buf *out, const char *bytes, size_t n);

/* How many bytes the code point at the front of n > 0 bytes takes; 0: it is not UTF-8. */
size_t json_utf8(const char *bytes, size_t n);

#define JSON_DEPTH 64

/* One value and nothing else but white space, not nested deeper than JSON_DEPTH, strings in UTF-8. */
bool json_is_valid(const char *text, size_t n);

/*
 * Reads valid text value by value. A value begins at `at`; what it is its first byte tells. Text that json_is_valid has
 * not approved must not be given here.
 */
struct json_cursor {
    const char *at;
    const char *end;
};

/* Over white space. */
void json_blank(struct json_cursor *c);

/* Over one value of whatever kind. */
void json_skip(struct json_cursor *c);

/* For `{` or `[` at c and then after each element: moves on to the next element's key or value. False: past the end. */
bool json_next(struct json_cursor *c);

/* Over a string, whose decoded bytes are added to out. */
void json_take_string(struct json_cursor *c, struct buf *out);

#endif
