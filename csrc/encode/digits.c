#include "encode/digits.h"

#define BILLION UINT64_C(1000000000)

void digits_put(struct buf *out, uint64_t value)
{
    char text[20], *at = text + sizeof text;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    buf_put(out, at, (size_t)(text + sizeof text - at));
}

void digits_put_decimal(struct buf *out, double value)
{
    if (!(value > 0 && value < 9.2e18))
        value = 0;
    uint64_t whole = (uint64_t)value, part = (uint64_t)((value - (double)whole) * 1e9 + 0.5);
    if (part >= BILLION) {
        whole++;
        part = 0;
    }
    digits_put(out, whole);
    if (!part)
        return;
    char text[10] = ".";
    int n = 10;
    for (int i = 9; i > 0; i--, part /= 10)
        text[i] = (char)('0' + part % 10);
    while (text[n - 1] == '0')
        n--;
    buf_put(out, text, (size_t)n);
}
