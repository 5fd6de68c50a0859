/*
 * The head of a request, judged before the library sees any of it: evhttp takes lines apart with sscanf and strtoll,
 * believes the first of two lengths, and reads no body of a GET, so that what a proxy in front of us took for a body
 * would become a request of its own. Pure functions over bytes, for any thread.
 */
#ifndef CPROF_HTTP_HEAD_H
#define CPROF_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define HEAD_LINES_MAX 100

struct head_limits {
    size_t target_bytes, head_bytes, body_bytes;
};

struct head {
    size_t n;  /* bytes, the empty line included */
    bool last; /* nothing behind it is to be believed: there is a body that will not be read, or in chunks */
    bool chunked;
    bool expects; /* the client sends no body before it is told to */
};

/* 0: sound as far as it has come, and whole where out->n is set. Else the status to refuse it with: 400, 413, 414, 431,
 * 501 or 505. */
int head_judge(const char *bytes, size_t n, const struct head_limits *limits, struct head *out);

/* The line before a chunk of a body, with the end of the one before unless it is the first; 0 is the size of the one
 * behind the last. Returns 0 with *used the bytes of it, 0 where more must come; or 400, or 413 for more than most. At
 * most HEAD_CHUNK_LINE bytes are looked at. */
#define HEAD_CHUNK_LINE 12
int head_chunk(const char *bytes, size_t n, bool first, size_t most, size_t *size, size_t *used);

#endif
