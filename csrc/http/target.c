#include "http/target.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_escape(const char *p, const char *end)
{
    return end - p >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0;
}

static bool path_is_sound(const char *p, const char *end)
{
    for (; p < end; p++)
        if (*p == '%' && !is_escape(p, end))
            return false;
    return true;
}

bool target_split(const char *text, struct target *out)
{
    *out = (struct target){.host = text};
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return false;
    if (strncasecmp(text, "http://", 7) == 0) {
        out->host = text + 7;
        out->host_len = strcspn(out->host, "/?");
        text = out->host + out->host_len;
    } else if (*text != '/') {
        return false;
    }
    out->path = text;
    out->path_len = strcspn(text, "?");
    const char *rest = text + out->path_len;
    if (*rest == '?') {
        out->query = rest + 1;
        out->query_len = strlen(out->query);
    }
    return path_is_sound(out->path, out->path + out->path_len);
}

/* Drops the last segment of what was appended after start. */
static void step_up(struct buf *out, size_t start)
{
    while (out->len > start && out->data[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--;
}

void target_clean(const char *path, size_t n, struct buf *out)
{
    size_t start = out->len;
    const char *p = path, *end = path + n;
    while (p < end) {
        while (p < end && *p == '/')
            p++;
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = (size_t)((slash ? slash : end) - p);
        bool dots = (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.');
        if (dots && len == 2)
            step_up(out, start);
        else if (!dots && len) {
            buf_put(out, "/", 1);
            buf_put(out, p, len);
        }
        p += len;
    }
    if (out->len == start || (n && path[n - 1] == '/'))
        buf_put(out, "/", 1);
}

bool target_decode(const char *text, size_t n, bool plus, struct buf *out)
{
    const char *end = text + n;
    for (const char *p = text; p < end; p++) {
        char c = *p;
        if (c == '%') {
            if (!is_escape(p, end))
                return false;
            c = (char)((unsigned)hex_digit(p[1]) << 4 | (unsigned)hex_digit(p[2]));
            p += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        buf_put(out, &c, 1);
    }
    return true;
}

/* One key=value. A pair with a ';' or a bad escape counts as absent. */
static bool pair_matches(const char *pair, size_t n, const char *key, struct buf *out)
{
    if (!n || memchr(pair, ';', n))
        return false;
    const char *equals = memchr(pair, '=', n);
    size_t key_len = equals ? (size_t)(equals - pair) : n;
    const char *value = equals ? equals + 1 : pair + n;
    size_t start = out->len;
    bool same = target_decode(pair, key_len, true, out) && out->len - start == strlen(key) &&
                (out->len == start || memcmp(out->data + start, key, out->len - start) == 0);
    out->len = start;
    if (same && target_decode(value, (size_t)(pair + n - value), true, out))
        return true;
    out->len = start;
    return false;
}

bool target_value(const char *query, size_t n, const char *key, struct buf *out)
{
    if (!query)
        return false;
    for (const char *p = query, *end = query + n; p < end;) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;
        if (pair_matches(p, (size_t)(stop - p), key, out))
            return true;
        p = stop + 1;
    }
    return false;
}
