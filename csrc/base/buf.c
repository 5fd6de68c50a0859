#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->cap - b->len) {
        size_t want = b->cap ? b->cap * 2 : 256;
        while (want < b->len + n)
            want *= 2;
        char *grown = realloc(b->data, want);
        if (!grown) {
            b->failed = true;
            return NULL;
        }
        b->data = grown;
        b->cap = want;
    }
    return b->data + b->len;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    char *room = n ? buf_reserve(b, n) : NULL;
    if (room) {
        memcpy(room, bytes, n);
        b->len += n;
    }
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* vsnprintf writes a NUL behind the text: room for it is reserved, then not counted. */
    char *room = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (room) {
        vsnprintf(room, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}
