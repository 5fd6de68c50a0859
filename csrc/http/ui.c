#include "http/html.h"
#include "http/routes.h"
#include "http/security.h"
#include "http/webfiles.h"

#include <string.h>

static bool is(const char *word, const char *text, size_t n)
{
    return strlen(word) == n && memcmp(word, text, n) == 0;
}

static void put_options(struct buf *out)
{
    struct named p;
    buf_puts(out, "<option value=\"profile\">profile (CPU)</option>");
    for (size_t i = 0; named_at(i, &p); i++) {
        buf_puts(out, "<option>");
        html_put(out, p.name, strlen(p.name));
        buf_puts(out, "</option>");
    }
}

static void put_links(struct buf *out)
{
    struct named p;
    buf_puts(out, "<li><a href=\"../profile?seconds=5\">profile</a>, 5 s of it</li>");
    for (size_t i = 0; named_at(i, &p); i++) {
        buf_puts(out, "<li><a href=\"../");
        html_put_url(out, p.name, strlen(p.name));
        buf_puts(out, "\">");
        html_put(out, p.name, strlen(p.name));
        buf_puts(out, "</a>, <a href=\"../");
        html_put_url(out, p.name, strlen(p.name));
        buf_puts(out, "?debug=1\">as text</a></li>");
    }
}

/* Who led the browser here, as it says itself: a page of another site may not start a recording. */
static void put_site(struct exchange *ex)
{
    const char *site = exchange_header(ex, "Sec-Fetch-Site", 0);
    if (site)
        html_put(&ex->out, site, strlen(site));
}

static void put_part(void *self, const char *word, size_t n)
{
    struct exchange *ex = self;
    if (is("options", word, n))
        put_options(&ex->out);
    else if (is("links", word, n))
        put_links(&ex->out);
    else if (is("site", word, n))
        put_site(ex);
}

void ui_serve(struct exchange *ex, const char *name, size_t n)
{
    static const char page[] = "page.html";
    size_t above = strlen("ui/");
    struct webfile file;
    if (n == above ? !webfiles_find(page, strlen(page), &file) : !webfiles_find(name + above, n - above, &file)) {
        exchange_refuse(ex, 404, "404 page not found");
        return;
    }
    webfiles_fill(&ex->out, &file, put_part, ex);
    security_mark_page(ex);
    exchange_set(ex, "Cache-Control", "no-cache");
    exchange_reply(ex, 200, file.content_type);
}
