#include "http/head.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define METHOD_BYTES_MAX 32
#define LENGTH_UNKNOWN   UINT64_MAX

/* A line without its end. */
struct line {
    const char *text;
    size_t n;
};

/* What matters of the lines so far. */
struct facts {
    bool old; /* HTTP/1.0 */
    bool takes_body;
    bool chunked;
    bool expects;
    uint64_t length;
    unsigned hosts;
};

static bool take_line(const char **p, const char *end, struct line *out)
{
    const char *feed = memchr(*p, '\n', (size_t)(end - *p));
    if (!feed)
        return false;
    *out = (struct line){.text = *p, .n = (size_t)(feed - *p)};
    if (out->n && feed[-1] == '\r')
        out->n--;
    *p = feed + 1;
    return true;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && is_token_char(text[i]))
        i++;
    return i;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

/* ---- the request line ---- */

static int judge_version(const char *text, size_t n, struct facts *f)
{
    if (n != 8 || memcmp(text, "HTTP/", 5) != 0 || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return 400;
    f->old = text[7] == '0';
    return text[5] == '1' ? 0 : 505;
}

static int judge_first(const struct line *l, const struct head_limits *limits, struct facts *f)
{
    size_t method = token(l->text, l->n);
    if (!method || method > METHOD_BYTES_MAX || method == l->n || l->text[method] != ' ')
        return 400;
    f->takes_body = (method == 4 && memcmp(l->text, "POST", 4) == 0) ||
                    (method == 3 && memcmp(l->text, "PUT", 3) == 0) ||
                    (method == 5 && memcmp(l->text, "PATCH", 5) == 0);
    const char *target = l->text + method + 1, *end = l->text + l->n;
    const char *space = memchr(target, ' ', (size_t)(end - target));
    size_t n = (size_t)((space ? space : end) - target);
    for (size_t i = 0; i < n; i++)
        if (is_control(target[i]))
            return 400;
    if (n > limits->target_bytes)
        return 414;
    return n && space ? judge_version(space + 1, (size_t)(end - space - 1), f) : 400;
}

/* Nothing that ends the line has come yet. */
static int judge_begun(const char *bytes, size_t n, const struct head_limits *limits)
{
    size_t method = token(bytes, n);
    if (method > METHOD_BYTES_MAX || (method < n && (!method || bytes[method] != ' ')))
        return 400;
    return n > METHOD_BYTES_MAX + limits->target_bytes + sizeof " HTTP/1.1\r" ? 414 : 0;
}

/* ---- header lines ---- */

static int judge_length(const char *text, size_t n, struct facts *f)
{
    uint64_t length = 0;
    if (!n || n > 18) /* no overflow, and nobody has that much to say */
        return 400;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(text[i]))
            return 400;
        length = length * 10 + (uint64_t)(text[i] - '0');
    }
    if (f->length != LENGTH_UNKNOWN && f->length != length)
        return 400;
    f->length = length;
    return 0;
}

static int judge_coding(const char *text, size_t n, struct facts *f)
{
    if (f->chunked || !is_word(text, n, "chunked"))
        return 501;
    f->chunked = true;
    return 0;
}

static int judge_header(const struct line *l, struct facts *f)
{
    size_t name = token(l->text, l->n), n = l->n;
    if (!name || name == n || l->text[name] != ':')
        return 400;
    for (size_t i = name; i < n; i++)
        if (is_control(l->text[i]) && l->text[i] != '\t')
            return 400;
    const char *value = l->text + name + 1;
    for (n -= name + 1; n && (*value == ' ' || *value == '\t'); n--)
        value++;
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (is_word(l->text, name, "content-length"))
        return judge_length(value, n, f);
    if (is_word(l->text, name, "transfer-encoding"))
        return judge_coding(value, n, f);
    f->expects = f->expects || is_word(l->text, name, "expect");
    f->hosts += is_word(l->text, name, "host");
    return 0;
}

/* All lines are there. */
static int judge_facts(const struct facts *f, const struct head_limits *limits, struct head *out)
{
    bool has_length = f->length != LENGTH_UNKNOWN;
    if (f->hosts > 1 || (!f->hosts && !f->old) || (f->chunked && (has_length || f->old)))
        return 400;
    if (f->takes_body && has_length && f->length > limits->body_bytes)
        return 413;
    out->chunked = f->chunked && f->takes_body;
    out->expects = f->expects;
    out->last = f->chunked || (!f->takes_body && has_length && f->length);
    return 0;
}

int head_judge(const char *bytes, size_t n, const struct head_limits *limits, struct head *out)
{
    struct facts f = {.length = LENGTH_UNKNOWN};
    const char *p = bytes, *end = bytes + n;
    struct line l;
    *out = (struct head){0};
    if (!take_line(&p, end, &l))
        return judge_begun(bytes, n, limits);
    int code = judge_first(&l, limits, &f);
    for (unsigned lines = 0; !code && take_line(&p, end, &l); lines++) {
        if ((size_t)(p - bytes) > limits->head_bytes || lines > HEAD_LINES_MAX)
            return 431;
        if (!l.n) {
            out->n = (size_t)(p - bytes);
            return judge_facts(&f, limits, out);
        }
        code = judge_header(&l, &f);
    }
    return code ? code : n > limits->head_bytes ? 431 : 0;
}

/* ---- chunks ---- */

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes "\r\n" off. False: something else is there. */
static bool take_end(const char **p, const char *end)
{
    for (const char *want = "\r\n"; *want && *p < end; want++, (*p)++)
        if (**p != *want)
            return false;
    return true;
}

int head_chunk(const char *bytes, size_t n, bool first, size_t most, size_t *size, size_t *used)
{
    const char *p = bytes, *end = bytes + (n < HEAD_CHUNK_LINE ? n : HEAD_CHUNK_LINE);
    *size = *used = 0;
    if (!first && !take_end(&p, end))
        return 400;
    const char *digits = p;
    for (; p < end && hex_digit(*p) >= 0; p++)
        *size = *size * 16 + (size_t)hex_digit(*p);
    if (*size > most)
        return 413;
    if (p == end)
        return n < HEAD_CHUNK_LINE ? 0 : 400;
    if (p == digits || !take_end(&p, end))
        return 400;
    if (p[-1] == '\n')
        *used = (size_t)(p - bytes);
    return 0;
}
