#include "encode/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's largest window, +16 = the gzip wrapper */
#define CHUNK       ((size_t)1 << 16)

/* zlib counts in unsigned int. */
static unsigned int at_most(size_t n)
{
    return n > UINT_MAX / 2 ? UINT_MAX / 2 : (unsigned int)n;
}

enum status gzip_deflate(const void *bytes, size_t n, int level, struct buf *out)
{
    z_stream z = {0};
    int code = deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);
    if (code != Z_OK)
        return code == Z_MEM_ERROR ? STATUS_NOMEM : STATUS_INVALID;
    const unsigned char *next = bytes;
    size_t left = n;
    while (code == Z_OK) {
        char *room = buf_reserve(out, CHUNK);
        if (!room)
            break;
        unsigned int in = at_most(left);
        z.next_in = (unsigned char *)next;
        z.avail_in = in;
        z.next_out = (unsigned char *)room;
        z.avail_out = CHUNK;
        code = deflate(&z, in == left ? Z_FINISH : Z_NO_FLUSH);
        next += in - z.avail_in;
        left -= in - z.avail_in;
        out->len += CHUNK - z.avail_out;
    }
    deflateEnd(&z);
    return code == Z_STREAM_END ? STATUS_OK : STATUS_NOMEM;
}

struct input {
    const unsigned char *at;
    size_t left;
};

static enum status inflate_because(const z_stream *z, int code, struct reason *why)
{
    if (code == Z_MEM_ERROR)
        return STATUS_NOMEM;
    if (code == Z_BUF_ERROR || code == Z_OK)
        return status_because(why, STATUS_MALFORMED, "gzip stream is truncated");
    if (z->msg && strcmp(z->msg, "incorrect data check") == 0)
        return status_because(why, STATUS_MALFORMED, "gzip checksum does not match: the data is damaged");
    if (z->msg && strcmp(z->msg, "incorrect length check") == 0)
        return status_because(why, STATUS_MALFORMED, "gzip length does not match: the data is damaged");
    return status_because(why, STATUS_MALFORMED, "gzip stream is damaged (%s)", z->msg ? z->msg : "no detail");
}

/* One member. room ends one byte past the limit, so that reaching it is told from exceeding it. */
static enum status inflate_member(z_stream *z, struct input *in, size_t limit, size_t *produced, struct buf *out,
                                  struct reason *why)
{
    int code = Z_OK;
    while (code == Z_OK) {
        size_t want = CHUNK < limit - *produced ? CHUNK : limit - *produced + 1;
        char *room = buf_reserve(out, want);
        if (!room)
            return STATUS_NOMEM;
        unsigned int fed = at_most(in->left);
        z->next_in = (unsigned char *)in->at;
        z->avail_in = fed;
        z->next_out = (unsigned char *)room;
        z->avail_out = (unsigned int)want;
        code = inflate(z, Z_NO_FLUSH);
        in->at += fed - z->avail_in;
        in->left -= fed - z->avail_in;
        out->len += want - z->avail_out;
        *produced += want - z->avail_out;
        if (*produced > limit)
            return status_because(why, STATUS_TOO_BIG, "gzip stream holds more than %zu bytes", limit);
        if (code == Z_OK && !in->left && z->avail_out)
            break;
    }
    return code == Z_STREAM_END ? STATUS_OK : inflate_because(z, code, why);
}

static bool only_zeros(const struct input *in)
{
    for (size_t i = 0; i < in->left; i++)
        if (in->at[i])
            return false;
    return true;
}

enum status gzip_inflate(const void *bytes, size_t n, size_t limit, struct buf *out, struct reason *why)
{
    struct input in = {.at = bytes, .left = n};
    size_t produced = 0;
    z_stream z = {0};
    int code = inflateInit2(&z, GZIP_WINDOW);
    if (code != Z_OK)
        return code == Z_MEM_ERROR ? STATUS_NOMEM : STATUS_SYSTEM;
    enum status status;
    for (;;) {
        status = inflate_member(&z, &in, limit, &produced, out, why);
        /* Tapes and block devices pad with zeros. */
        if (status != STATUS_OK || only_zeros(&in))
            break;
        if (in.at[0] != 0x1f) {
            status = status_because(why, STATUS_MALFORMED, "%zu bytes follow the gzip stream", in.left);
            break;
        }
        inflateReset(&z);
    }
    inflateEnd(&z);
    return status;
}
