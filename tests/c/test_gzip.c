#include "encode/gzip.h"

#include "check.h"

#include <stdlib.h>

#define LIMIT ((size_t)1 << 20)

static void test_round_trip(void)
{
    size_t n = 700000;
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * i >> 7);
    for (int level = 0; level <= 9; level++) {
        struct buf packed = {0}, plain = {0};
        buf_puts(&plain, "kept");
        CHECK_INT(gzip_deflate(bytes, n, level, &packed), STATUS_OK);
        CHECK_INT(gzip_inflate(packed.data, packed.len, LIMIT, &plain, NULL), STATUS_OK);
        CHECK(plain.len == n + 4 && memcmp(plain.data, "kept", 4) == 0 && memcmp(plain.data + 4, bytes, n) == 0);
        buf_fini(&packed);
        buf_fini(&plain);
    }
    free(bytes);
    struct buf out = {0};
    CHECK_INT(gzip_deflate("x", 1, 99, &out), STATUS_INVALID);
    buf_fini(&out);
}

static void test_empty(void)
{
    struct buf packed = {0}, plain = {0};
    CHECK_INT(gzip_deflate(NULL, 0, 1, &packed), STATUS_OK);
    CHECK_INT(gzip_inflate(packed.data, packed.len, LIMIT, &plain, NULL), STATUS_OK);
    CHECK_INT(plain.len, 0);
    buf_fini(&packed);
    buf_fini(&plain);
}

static void expect(const struct buf *packed, size_t n, size_t limit, enum status status, const char *sentence)
{
    struct buf plain = {0};
    struct reason why = {""};
    CHECK_INT(gzip_inflate(packed->data, n, limit, &plain, &why), status);
    CHECK_STR(why.text, sentence);
    buf_fini(&plain);
}

static void test_damage(void)
{
    struct buf packed = {0};
    CHECK_INT(gzip_deflate("hello, hello, hello", 19, 1, &packed), STATUS_OK);
    for (size_t n = 0; n < packed.len; n++)
        expect(&packed, n, LIMIT, STATUS_MALFORMED, "gzip stream is truncated");
    packed.data[packed.len - 8] ^= 1;
    expect(&packed, packed.len, LIMIT, STATUS_MALFORMED, "gzip checksum does not match: the data is damaged");
    packed.data[packed.len - 8] ^= 1;
    packed.data[packed.len - 1] ^= 1;
    expect(&packed, packed.len, LIMIT, STATUS_MALFORMED, "gzip length does not match: the data is damaged");
    packed.data[packed.len - 1] ^= 1;
    packed.data[2] = 9;
    expect(&packed, packed.len, LIMIT, STATUS_MALFORMED, "gzip stream is damaged (unknown compression method)");
    buf_fini(&packed);
}

static void test_members(void)
{
    struct buf packed = {0}, plain = {0};
    gzip_deflate("one ", 4, 1, &packed);
    gzip_deflate("two", 3, 1, &packed);
    CHECK_INT(gzip_inflate(packed.data, packed.len, LIMIT, &plain, NULL), STATUS_OK);
    CHECK(plain.len == 7 && memcmp(plain.data, "one two", 7) == 0);
    buf_fini(&plain);
    buf_put(&packed, "\0\0\0", 3);
    CHECK_INT(gzip_inflate(packed.data, packed.len, LIMIT, &plain, NULL), STATUS_OK);
    CHECK_INT(plain.len, 7);
    buf_fini(&plain);
    buf_puts(&packed, "tail");
    packed.data[packed.len - 7] = 'x';
    expect(&packed, packed.len, LIMIT, STATUS_MALFORMED, "7 bytes follow the gzip stream");
    buf_fini(&packed);
}

/* The limit is exact, counts over members, and is kept without inflating everything first. */
static void test_limit(void)
{
    struct buf packed = {0}, plain = {0};
    size_t n = (size_t)64 << 20;
    char *zeros = calloc(n, 1);
    gzip_deflate(zeros, 1000, 1, &packed);
    CHECK_INT(gzip_inflate(packed.data, packed.len, 1000, &plain, NULL), STATUS_OK);
    CHECK_INT(plain.len, 1000);
    expect(&packed, packed.len, 999, STATUS_TOO_BIG, "gzip stream holds more than 999 bytes");
    expect(&packed, packed.len, 0, STATUS_TOO_BIG, "gzip stream holds more than 0 bytes");
    gzip_deflate(zeros, 1000, 1, &packed);
    expect(&packed, packed.len, 1999, STATUS_TOO_BIG, "gzip stream holds more than 1999 bytes");
    buf_fini(&packed);
    buf_fini(&plain);

    gzip_deflate(zeros, n, 9, &packed);
    struct reason why = {""};
    CHECK_INT(gzip_inflate(packed.data, packed.len, LIMIT, &plain, &why), STATUS_TOO_BIG);
    CHECK(plain.cap <= 4 * LIMIT);
    buf_fini(&packed);
    buf_fini(&plain);
    free(zeros);
}

int main(void)
{
    test_round_trip();
    test_empty();
    test_damage();
    test_members();
    test_limit();
    return check_done();
}
