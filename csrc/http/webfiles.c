#include "http/webfiles.h"

#include <string.h>

/* The assembler takes each file in whole. Paths are from the top of the tree, where make runs; the Makefile names the
 * files as what this object is made from. */
#define FILE_BYTES(name, path)                                                                                         \
    __asm__(".pushsection .rodata\nfile_" #name ": .incbin \"" path "\"\nfile_" #name "_end: .byte 0\n.popsection\n"); \
    extern const char file_##name[] __attribute__((visibility("hidden")));                                             \
    extern const char file_##name##_end[] __attribute__((visibility("hidden")))

FILE_BYTES(flame_css, "cprof/web/flame.css");
FILE_BYTES(flame_html, "cprof/web/flame.html");
FILE_BYTES(flame_js, "cprof/web/flame.js");
FILE_BYTES(index_css, "cprof/web/index.css");
FILE_BYTES(page_css, "cprof/web/page.css");
FILE_BYTES(page_html, "cprof/web/page.html");
FILE_BYTES(page_js, "cprof/web/page.js");
FILE_BYTES(profile_js, "cprof/web/profile.js");
FILE_BYTES(theme_css, "cprof/web/theme.css");

#define HTML "text/html; charset=utf-8"
#define CSS  "text/css; charset=utf-8"
#define JS   "text/javascript; charset=utf-8"

static const struct {
    const char *name, *content_type, *bytes, *end;
} files[] = {
    /* clang-format off */
    {"flame.css", CSS, file_flame_css, file_flame_css_end},
    {"flame.html", HTML, file_flame_html, file_flame_html_end},
    {"flame.js", JS, file_flame_js, file_flame_js_end},
    {"index.css", CSS, file_index_css, file_index_css_end},
    {"page.css", CSS, file_page_css, file_page_css_end},
    {"page.html", HTML, file_page_html, file_page_html_end},
    {"page.js", JS, file_page_js, file_page_js_end},
    {"profile.js", JS, file_profile_js, file_profile_js_end},
    {"theme.css", CSS, file_theme_css, file_theme_css_end},
    /* clang-format on */
};

bool webfiles_find(const char *name, size_t n, struct webfile *out)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strlen(files[i].name) == n && memcmp(files[i].name, name, n) == 0) {
            *out = (struct webfile){files[i].name, files[i].content_type, files[i].bytes,
                                    (size_t)(files[i].end - files[i].bytes)};
            return true;
        }
    return false;
}

void webfiles_fill(struct buf *out, const struct webfile *file, void (*put)(void *self, const char *word, size_t n),
                   void *self)
{
    static const char open[] = "<!--cprof:", close[] = "-->";
    const char *p = file->bytes, *end = p + file->n, *mark, *after;
    while ((mark = memmem(p, (size_t)(end - p), open, strlen(open))) &&
           (after = memmem(mark, (size_t)(end - mark), close, strlen(close)))) {
        const char *word = mark + strlen(open);
        buf_put(out, p, (size_t)(mark - p));
        put(self, word, (size_t)(after - word));
        p = after + strlen(close);
    }
    buf_put(out, p, (size_t)(end - p));
}
