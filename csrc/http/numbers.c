#include "http/numbers.h"

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
