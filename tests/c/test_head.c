/* http/head: each request as a row, whole and cut at every byte. */
#include "check.h"
#include "http/head.h"

#include <stdlib.h>

static const struct head_limits limits = {.target_bytes = 100, .head_bytes = 1000, .body_bytes = 50};

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

enum { LAST = 1 };

static const struct row {
    const char *head;
    int code;
    int last;
} rows[] = {
    {GET "\r\n", 0, 0},
    {"GET / HTTP/1.1\nHost: a\n\n", 0, 0},
    {"GET / HTTP/1.0\r\n\r\n", 0, 0},
    {"BREW /pot HTTP/1.1\r\nHost:\r\n\r\n", 0, 0},
    {GET "X:\ty\tz \r\nX-!#$%&'*+.^_`|~9: \xff\r\n\r\n", 0, 0},
    {GET "Content-Length: 0\r\n\r\n", 0, 0},
    {POST "Content-Length: 50\r\n\r\n", 0, 0},
    {POST "Content-Length:\t50 \r\ncontent-length: 050\r\n\r\n", 0, 0},
    /* what the library would leave unread */
    {GET "Content-Length: 5\r\n\r\n", 0, LAST},
    {GET "Transfer-Encoding: chunked\r\n\r\n", 0, LAST},
    {POST "Transfer-Encoding: Chunked\r\n\r\n", 0, LAST},
    {GET "Content-Length: 999999999999999999\r\n\r\n", 0, LAST},
    /* request lines */
    {"\r\n", 400, 0},
    {"\n", 400, 0},
    {" GET / HTTP/1.1\r\n", 400, 0},
    {"GET\r\n", 400, 0},
    {"GET /\r\n", 400, 0},
    {"GET  / HTTP/1.1\r\n", 400, 0},
    {"GET / HTTP/1.1 \r\n", 400, 0},
    {"GET /a b HTTP/1.1\r\n", 400, 0},
    {"GET / http/1.1\r\n", 400, 0},
    {"GET / HTTP/1.1x\r\n", 400, 0},
    {"GET / HTTP/1\r\n", 400, 0},
    {"GET / HTTP/1,1\r\n", 400, 0},
    {"GET / HTTP/-1.1\r\n", 400, 0},
    {"GET / HTTP/2.0\r\n", 505, 0},
    {"GET / HTTP/0.9\r\n", 505, 0},
    {"PRI * HTTP/2.0\r\n", 505, 0},
    {"GE\tT / HTTP/1.1\r\n", 400, 0},
    {"G(T / HTTP/1.1\r\n", 400, 0},
    {"GET /\x01 HTTP/1.1\r\n", 400, 0},
    {"GET /\x7f HTTP/1.1\r\n", 400, 0},
    {"GET /\r HTTP/1.1\r\n", 400, 0},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", 400, 0},
    /* header lines */
    {GET "nonsense\r\n", 400, 0},
    {GET ": x\r\n", 400, 0},
    {GET "X : y\r\n", 400, 0},
    {GET "X\t: y\r\n", 400, 0},
    {GET " folded: x\r\n", 400, 0},
    {GET "X: y\r\n folded\r\n", 400, 0},
    {GET "X: y\rz\r\n", 400, 0},
    {GET "X: \x01\r\n", 400, 0},
    {GET "X: \x7f\r\n", 400, 0},
    {GET "X(: y\r\n", 400, 0},
    {GET "\r \r\n", 400, 0},
    /* hosts */
    {"GET / HTTP/1.1\r\n\r\n", 400, 0},
    {GET "Host: a\r\n\r\n", 400, 0},
    {"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400, 0},
    /* bodies of which two could have two opinions */
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, 0},
    {POST "Content-Length: 5, 5\r\n", 400, 0},
    {POST "Content-Length: +5\r\n", 400, 0},
    {POST "Content-Length: -5\r\n", 400, 0},
    {POST "Content-Length: 0x5\r\n", 400, 0},
    {POST "Content-Length: 5 5\r\n", 400, 0},
    {POST "Content-Length: \r\n", 400, 0},
    {POST "Content-Length: 18446744073709551617\r\n", 400, 0},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 0},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, 0},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 0},
    {POST "Transfer-Encoding: identity\r\n", 501, 0},
    {POST "Transfer-Encoding: gzip, chunked\r\n", 501, 0},
    {POST "Transfer-Encoding: chunked, chunked\r\n", 501, 0},
    {POST "Transfer-Encoding: xchunked\r\n", 501, 0},
    {POST "Transfer-Encoding:\r\n", 501, 0},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501, 0},
    {POST "Content-Length: 51\r\n\r\n", 413, 0},
};

/* From a block of exactly n bytes, so that a sanitizer sees a read past its end. */
static int judge(const char *text, size_t n, struct head *out)
{
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    int code = head_judge(exact, n, &limits, out);
    free(exact);
    return code;
}

/* What has come of a request is never refused for something else than all of it, and never taken for all of it. */
static void cut(const struct row *row, size_t whole)
{
    for (size_t n = 0; n < whole; n++) {
        struct head head;
        int code = judge(row->head, n, &head);
        if ((code && code != row->code) || head.n)
            fprintf(stderr, "%zu bytes of: %s\n", n, row->head);
        CHECK(!code || code == row->code);
        CHECK(!head.n);
    }
}

static void fills(const char *front, size_t n, char with, const char *back, int want)
{
    char text[4000] = "";
    struct head head;
    size_t at = strlen(front);
    memcpy(text, front, at);
    memset(text + at, with, n);
    memcpy(text + at + n, back, strlen(back));
    int code = judge(text, at + n + strlen(back), &head);
    if (code != want)
        fprintf(stderr, "%s, %zu times %c: %d\n", front, n, with, code);
    CHECK_INT(code, want);
}

static void chunk(const char *line, bool first, int want, size_t want_size, size_t want_used)
{
    size_t size, used;
    int code = head_chunk(line, strlen(line), first, 0x1000, &size, &used);
    if (code != want || (!code && used && (size != want_size || used != want_used)))
        fprintf(stderr, "%d, %zu, %zu: %s\n", code, size, used, line);
    CHECK_INT(code, want);
    CHECK_INT(used, want_used);
    CHECK(!used || size == want_size);
}

static void chunks(void)
{
    chunk("5\r\nabcdefghijk", true, 0, 5, 3);
    chunk("\r\nfF\r\n", false, 0, 255, 6);
    chunk("0\r\n\r\n", true, 0, 0, 3);
    chunk("\r\n0005\r\n", false, 0, 5, 8);
    chunk("", true, 0, 0, 0);
    chunk("", false, 0, 0, 0);
    chunk("\r", false, 0, 0, 0);
    chunk("\r\n5", false, 0, 0, 0);
    chunk("5\r", true, 0, 0, 0);
    chunk("1000\r\n", true, 0, 0x1000, 6);
    chunk("1001\r\n", true, 413, 0, 0);
    chunk("ffffffffffffffffffffff", true, 413, 0, 0);
    chunk("5\n", true, 400, 0, 0);
    chunk("5;a=b\r\n", true, 400, 0, 0); /* a limit: Go takes them, and nobody sends them */
    chunk(" 5\r\n", true, 400, 0, 0);
    chunk("-5\r\n", true, 400, 0, 0);
    chunk("0x5\r\n", true, 400, 0, 0);
    chunk("\r\n", true, 400, 0, 0);
    chunk("5\r\n", false, 400, 0, 0);
    chunk("\r\n\r\n", false, 400, 0, 0);
    chunk("000000000000000005\r\n", true, 400, 0, 0);
}

int main(void)
{
    chunks();
    struct head head;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        size_t n = strlen(row->head);
        int code = judge(row->head, n, &head);
        if (code != row->code || head.last != row->last || (!code && head.n != n))
            fprintf(stderr, "%d: %s\n", code, row->head);
        CHECK_INT(code, row->code);
        CHECK(head.last == row->last);
        CHECK(code || head.n == n);
        cut(row, n);
    }
    /* what follows is not of this head */
    CHECK_INT(judge(GET "\r\n\x16\x03", sizeof GET + 3, &head), 0);
    CHECK_INT(head.n, sizeof GET + 1);
    CHECK_INT(judge("GET /\0 HTTP/1.1\r\n", 17, &head), 400);
    CHECK_INT(judge("\x16\x03\x01", 3, &head), 400);

    fills("GET /", 99, 'a', " HTTP/1.1\r\nHost:\r\n\r\n", 0);
    fills("GET /", 100, 'a', " HTTP/1.1\r\nHost:\r\n\r\n", 414);
    fills("GET /", 200, 'a', "", 414);
    fills("", 40, 'A', "", 400);
    fills(GET "X: ", 800, 'a', "\r\n\r\n", 0);
    fills(GET "X: ", 1000, 'a', "\r\n\r\n", 431);
    fills(GET "X: ", 1000, 'a', "", 431);
    char many[3000] = GET;
    for (int i = 0; i < HEAD_LINES_MAX; i++)
        strcat(many, "a:\n");
    strcat(many, "\r\n");
    CHECK_INT(judge(many, strlen(many), &head), 431);
    return check_done();
}
