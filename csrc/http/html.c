#include "http/html.h"

#include <string.h>

void html_put(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '&': buf_puts(out, "&amp;"); break;
        case '<': buf_puts(out, "&lt;"); break;
        case '>': buf_puts(out, "&gt;"); break;
        case '"': buf_puts(out, "&#34;"); break;
        case '\'': buf_puts(out, "&#39;"); break;
        default: buf_put(out, text + i, 1);
        }
    }
}

void html_put_url(struct buf *out, const char *text, size_t n)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (size_t i = 0; i < n; i++) {
        if (memchr(plain, text[i], sizeof plain - 1))
            buf_put(out, text + i, 1);
        else
            buf_printf(out, "%%%02X", (unsigned char)text[i]);
    }
}
