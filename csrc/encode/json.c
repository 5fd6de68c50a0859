#include "encode/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_unsigned(struct buf *out, uint64_t value, bool negative)
{
    char text[24], *p = text + sizeof text;
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    if (negative)
        *--p = '-';
    buf_put(out, p, (size_t)(text + sizeof text - p));
}

void json_put_int(struct buf *out, int64_t value)
{
    put_unsigned(out, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

/* The 16 digits that are nearest to a power of two may lie below it by too much, where the next ones above read back:
 * numbers are twice as close together on that side. */
static bool reads_back_one_up(char *text, double value)
{
    char *last = strrchr(text, 'e') - 1;
    bool is_nine = *last == '9';
    *last = (char)(*last + !is_nine);
    return !is_nine && strtod(text, NULL) == value;
}

/* The fewest digits that read back the same. Every number of 15 digits survives the way through a normal double, so
 * that fewer are only looked for below those. libc's text has the decimal point of the host's locale: it is skipped. */
static size_t shortest(double value, char digits[20], int *exponent)
{
    char text[64];
    for (int after = fabs(value) < 0x1p-1022 ? 0 : 14; after <= 16; after++) {
        snprintf(text, sizeof text, "%.*e", after, value);
        if (strtod(text, NULL) == value || (after == 15 && reads_back_one_up(text, value)))
            break;
    }
    size_t n = 0;
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    *exponent = (int)strtol(p + 1, NULL, 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

static void put_zeros(struct buf *out, int n)
{
    while (n-- > 0)
        buf_put(out, "0", 1);
}

static void put_scientific(struct buf *out, const char *digits, size_t n, int exponent)
{
    buf_put(out, digits, 1);
    if (n > 1) {
        buf_put(out, ".", 1);
        buf_put(out, digits + 1, n - 1);
    }
    buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static void put_plain(struct buf *out, const char *digits, size_t n, int exponent)
{
    if (exponent < 0) {
        buf_puts(out, "0.");
        put_zeros(out, -exponent - 1);
        buf_put(out, digits, n);
        return;
    }
    size_t whole = (size_t)exponent + 1 < n ? (size_t)exponent + 1 : n;
    buf_put(out, digits, whole);
    put_zeros(out, exponent + 1 - (int)whole);
    if (whole < n) {
        buf_put(out, ".", 1);
        buf_put(out, digits + whole, n - whole);
    }
}

/* With an exponent below 1e-4 and from 1e6 on: for the shortest text strconv decides as for six digits. */
void json_put_float(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_puts(out, "null");
        return;
    }
    if (fabs(value) < 1e6 && value == (double)(int64_t)value && (value != 0 || !signbit(value))) {
        json_put_int(out, (int64_t)value);
        return;
    }
    char digits[20];
    int exponent;
    size_t n = shortest(value, digits, &exponent);
    if (signbit(value))
        buf_put(out, "-", 1);
    if (exponent < -4 || exponent >= 6)
        put_scientific(out, digits, n, exponent);
    else
        put_plain(out, digits, n, exponent);
}

static bool continues(const unsigned char *p, size_t n, unsigned char low, unsigned char high)
{
    for (size_t i = 1; i < n; i++)
        if (p[i] < (i == 1 ? low : 0x80) || p[i] > (i == 1 ? high : 0xbf))
            return false;
    return true;
}

size_t json_utf8(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    if (p[0] < 0x80)
        return 1;
    size_t want = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte: no second way to write it, no half of a pair */
    switch (p[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    return want && want <= n && continues(p, want, low, high) ? want : 0;
}

static void put_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"': buf_puts(out, "\\\""); break;
    case '\\': buf_puts(out, "\\\\"); break;
    case '\n': buf_puts(out, "\\n"); break;
    case '\r': buf_puts(out, "\\r"); break;
    case '\t': buf_puts(out, "\\t"); break;
    default: buf_printf(out, "\\u%04x", c);
    }
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void json_put_string(struct buf *out, const char *bytes, size_t n)
{
    buf_put(out, "\"", 1);
    while (n) {
        size_t run = 0;
        while (run < n && is_plain((unsigned char)bytes[run]))
            run++;
        buf_put(out, bytes, run);
        bytes += run, n -= run;
        if (!n)
            break;
        size_t wide = json_utf8(bytes, n);
        if (wide == 1)
            put_escaped(out, (unsigned char)*bytes);
        else if (wide == 0)
            buf_puts(out, "\xef\xbf\xbd");
        else if (wide == 3 && memcmp(bytes, "\xe2\x80", 2) == 0 && ((unsigned char)bytes[2] & 0xfe) == 0xa8)
            buf_puts(out, bytes[2] & 1 ? "\\u2029" : "\\u2028");
        else
            buf_put(out, bytes, wide);
        wide += !wide;
        bytes += wide, n -= wide;
    }
    buf_put(out, "\"", 1);
}
