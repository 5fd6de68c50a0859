/* The reading half of json.h: a strict check, and steps over text that has passed it. */
#include "encode/json.h"

#include <string.h>

void json_blank(struct json_cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool take(struct json_cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool check_escape(struct json_cursor *c)
{
    if (c->at == c->end || !*c->at || !strchr("\"\\/bfnrtu", *c->at))
        return false;
    if (*c->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, c->at++)
        if (c->at == c->end || hex(*c->at) < 0)
            return false;
    return true;
}

static bool check_string(struct json_cursor *c)
{
    if (!take(c, "\""))
        return false;
    while (c->at < c->end) {
        size_t wide = json_utf8(c->at, (size_t)(c->end - c->at));
        unsigned char first = (unsigned char)*c->at;
        if (!wide || first < ' ')
            return false;
        c->at += wide;
        if (first == '"')
            return true;
        if (first == '\\' && !check_escape(c))
            return false;
    }
    return false;
}

static bool check_digits(struct json_cursor *c)
{
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > from;
}

static bool check_number(struct json_cursor *c)
{
    take(c, "-");
    if (!take(c, "0") && !check_digits(c))
        return false;
    if (take(c, ".") && !check_digits(c))
        return false;
    if (take(c, "e") || take(c, "E")) {
        if (!take(c, "+"))
            take(c, "-");
        return check_digits(c);
    }
    return true;
}

static bool check_value(struct json_cursor *c, int depth);

static bool check_inside(struct json_cursor *c, int depth, bool object)
{
    const char *close = object ? "}" : "]";
    json_blank(c);
    if (take(c, close))
        return true;
    for (;;) {
        if (object) {
            json_blank(c);
            if (!check_string(c))
                return false;
            json_blank(c);
            if (!take(c, ":"))
                return false;
        }
        if (!check_value(c, depth - 1))
            return false;
        json_blank(c);
        if (take(c, close))
            return true;
        if (!take(c, ","))
            return false;
    }
}

static bool check_value(struct json_cursor *c, int depth)
{
    json_blank(c);
    if (c->at == c->end || !depth)
        return false;
    switch (*c->at) {
    case '{': c->at++; return check_inside(c, depth, true);
    case '[': c->at++; return check_inside(c, depth, false);
    case '"': return check_string(c);
    case 't': return take(c, "true");
    case 'f': return take(c, "false");
    case 'n': return take(c, "null");
    default: return check_number(c);
    }
}

bool json_is_valid(const char *text, size_t n)
{
    struct json_cursor c = {.at = text, .end = text + n};
    if (!n || !check_value(&c, JSON_DEPTH))
        return false;
    json_blank(&c);
    return c.at == c.end;
}

void json_skip(struct json_cursor *c)
{
    check_value(c, JSON_DEPTH + 1);
}

bool json_next(struct json_cursor *c)
{
    json_blank(c);
    if (c->at == c->end || *c->at == '}' || *c->at == ']')
        return false;
    if (*c->at == '{' || *c->at == '[' || *c->at == ',')
        c->at++;
    json_blank(c);
    return c->at < c->end && *c->at != '}' && *c->at != ']';
}

static void put_point(struct buf *out, unsigned point)
{
    char b[4];
    if (point < 0x80) {
        b[0] = (char)point;
        buf_put(out, b, 1);
    } else if (point < 0x800) {
        b[0] = (char)(0xc0 | point >> 6), b[1] = (char)(0x80 | (point & 0x3f));
        buf_put(out, b, 2);
    } else if (point < 0x10000) {
        b[0] = (char)(0xe0 | point >> 12), b[1] = (char)(0x80 | (point >> 6 & 0x3f)),
        b[2] = (char)(0x80 | (point & 0x3f));
        buf_put(out, b, 3);
    } else {
        b[0] = (char)(0xf0 | point >> 18), b[1] = (char)(0x80 | (point >> 12 & 0x3f));
        b[2] = (char)(0x80 | (point >> 6 & 0x3f)), b[3] = (char)(0x80 | (point & 0x3f));
        buf_put(out, b, 4);
    }
}

static unsigned take_unit(struct json_cursor *c)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (unsigned)hex(*c->at++);
    return unit;
}

/* A pair of halves is one code point; a half by itself is none. */
static void take_unicode(struct json_cursor *c, struct buf *out)
{
    unsigned unit = take_unit(c);
    if (unit >= 0xd800 && unit < 0xdc00 && c->end - c->at >= 6 && c->at[0] == '\\' && c->at[1] == 'u') {
        struct json_cursor second = {.at = c->at + 2, .end = c->end};
        unsigned low = take_unit(&second);
        if (low >= 0xdc00 && low < 0xe000) {
            *c = second;
            put_point(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            return;
        }
    }
    put_point(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
}

void json_take_string(struct json_cursor *c, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    for (c->at++; *c->at != '"';) {
        const char *known;
        if (*c->at != '\\') {
            buf_put(out, c->at++, 1);
        } else if (*++c->at == 'u') {
            c->at++;
            take_unicode(c, out);
        } else if ((known = strchr(from, *c->at++))) {
            buf_put(out, to + (known - from), 1);
        }
    }
    c->at++;
}
