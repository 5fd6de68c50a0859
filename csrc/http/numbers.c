#include "http/numbers.h"

#include <math.h>
#include <string.h>
#include <strings.h>

bool numbers_parse(const char *text, size_t n, int64_t *out)
{
    const char *p = text, *end = text + n;
    bool minus = p < end && *p == '-', beyond = false;
    int64_t value = 0; /* negative while it is read: the smallest number has no positive */
    *out = 0;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        beyond = beyond || __builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *p - '0', &value);
    }
    if (beyond || (!minus && value == INT64_MIN)) {
        *out = minus ? INT64_MIN : INT64_MAX;
        return false;
    }
    *out = minus ? value : -value;
    return true;
}

bool numbers_given(const struct target *t, const char *key, int64_t *value, bool *sound)
{
    struct buf text = {0};
    bool given = target_value(t->query, t->query_len, key, &text) && text.len;
    *value = 0;
    *sound = given && numbers_parse(text.data, text.len, value);
    buf_fini(&text);
    return given;
}

enum naming_names numbers_names(const struct target *t)
{
    int64_t value;
    bool sound;
    return numbers_given(t, "symbolize", &value, &sound) && sound && value == 0 ? NAMING_WITHOUT : NAMING_WITH;
}

int64_t numbers_param(const struct target *t, const char *key)
{
    int64_t value;
    bool sound;
    numbers_given(t, key, &value, &sound);
    return value;
}

static int digit_of(char c, int base)
{
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    return d < base ? d : -1;
}

static bool is_word(const char *p, const char *end, const char *word)
{
    return strlen(word) == (size_t)(end - p) && strncasecmp(p, word, strlen(word)) == 0;
}

/* A run of an exponent's digits; what is beyond all numbers stays there. */
static bool read_exponent(const char **p, const char *end, int *exponent)
{
    bool minus = *p < end && **p == '-';
    const char *first = *p += *p < end && (**p == '-' || **p == '+');
    int value = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
        value = value < 100000 ? value * 10 + (**p - '0') : value;
    *exponent = minus ? -value : value;
    return *p > first;
}

/* In hexadecimal an underscore may stand between digits and behind the prefix. */
static bool read_mantissa(const char **p, const char *end, int base, double *value, int *scale)
{
    bool any = false, point = false;
    *value = *scale = 0;
    for (; *p < end; (*p)++) {
        int d = digit_of(**p, base);
        if (**p == '_' && base == 16 && *p + 1 < end && digit_of((*p)[1], 16) >= 0 && (*p)[-1] != '.')
            continue;
        if (**p == '.' && !point) {
            point = true;
            continue;
        }
        if (d < 0)
            break;
        any = true;
        *value = *value * base + d;
        *scale -= point;
    }
    return any;
}

/* value * base^n, ended by what nothing changes any more. Near enough: it is a time. */
static double scaled(double value, double base, int n)
{
    for (; n > 0 && value != 0 && isfinite(value); n--)
        value *= base;
    for (; n < 0 && value != 0; n++)
        value /= base;
    return value;
}

bool numbers_parse_float(const char *text, size_t n, double *out)
{
    const char *p = text, *end = text + n;
    bool minus = p < end && *p == '-', sound;
    int scale, exponent = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (is_word(p, end, "inf") || is_word(p, end, "infinity") || is_word(text, end, "nan")) {
        *out = is_word(text, end, "nan") ? (double)NAN : minus ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    bool hex = end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    p += hex ? 2 : 0;
    sound = read_mantissa(&p, end, hex ? 16 : 10, out, &scale);
    bool has_exponent = p < end && (*p | 0x20) == (hex ? 'p' : 'e');
    if (has_exponent) {
        p++;
        sound = read_exponent(&p, end, &exponent) && sound;
    }
    *out = hex ? scaled(*out, 2, 4 * scale + exponent) : scaled(*out, 10, scale + exponent);
    *out = minus ? -*out : *out;
    return sound && p == end && (has_exponent || !hex) && isfinite(*out);
}

bool numbers_float(const struct target *t, const char *key, double *value)
{
    struct buf text = {0};
    bool sound = target_value(t->query, t->query_len, key, &text) && text.len;
    sound = sound && numbers_parse_float(text.data, text.len, value);
    buf_fini(&text);
    return sound;
}
