#include "http/health.h"
#include "http/html.h"
#include "http/routes.h"
#include "http/security.h"

#include <inttypes.h>
#include <string.h>

/* Titles, texts and rows are Go's to the letter: people's scripts look for them. */
static const char head[] = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n"
                           "<link rel=\"icon\" href=\"data:,\">\n"
                           "<link rel=\"stylesheet\" href=\"ui/theme.css\">\n"
                           "<link rel=\"stylesheet\" href=\"ui/index.css\">\n"
                           "<title>/debug/pprof/</title>\n</head>\n<body>\n<main>\n<h1>/debug/pprof/</h1>\n"
                           "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n"
                           "<h2 id=\"types\">Types of profiles available:</h2>\n"
                           "<table aria-labelledby=\"types\">\n<thead><tr><th scope=\"col\">Count</th>"
                           "<th scope=\"col\">Profile</th></tr></thead>\n<tbody>\n";

/* One profile as the page lists it. */
struct entry {
    const char *name;
    const char *description;
    uint64_t count;
    bool is_drawn; /* a flame graph can be made of it */
};

static bool next_named(size_t i, struct entry *out)
{
    struct named p;
    if (!named_at(i, &p))
        return false;
    *out = (struct entry){p.name, p.description ? p.description : "", named_count(&p), true};
    return true;
}

static bool next_route(const struct route *r, struct entry *out)
{
    if (!r->name)
        return false;
    *out = (struct entry){r->name, r->description, 0, strcmp(r->name, "profile") == 0};
    return true;
}

/* Both lists are in order; so is what they make together. */
static void put_each(struct buf *out, void (*put)(struct buf *out, const struct entry *e))
{
    size_t i = 0;
    const struct route *r = routes;
    struct entry named, route;
    bool has_named = next_named(i, &named), has_route = next_route(r, &route);
    while (has_named || has_route) {
        if (has_named && (!has_route || strcmp(named.name, route.name) < 0)) {
            put(out, &named);
            has_named = next_named(++i, &named);
        } else {
            put(out, &route);
            has_route = next_route(++r, &route);
        }
    }
}

static void put_link(struct buf *out, const char *before, const char *name, const char *after)
{
    buf_puts(out, before);
    html_put_url(out, name, strlen(name));
    buf_puts(out, after);
}

static void put_row(struct buf *out, const struct entry *e)
{
    buf_printf(out, "<tr><td>%" PRIu64 "</td><td>", e->count);
    put_link(out, "<a href='", e->name, "?debug=1'>");
    html_put(out, e->name, strlen(e->name));
    buf_puts(out, "</a></td></tr>\n");
}

static void put_graph(struct buf *out, const struct entry *e)
{
    if (!e->is_drawn)
        return;
    put_link(out, "<li><a href='ui/?p=", e->name, "'>");
    html_put(out, e->name, strlen(e->name));
    buf_puts(out, strcmp(e->name, "profile") == 0 ? "</a> (CPU)</li>\n" : "</a></li>\n");
}

static void put_description(struct buf *out, const struct entry *e)
{
    buf_puts(out, "<li><b>");
    html_put(out, e->name, strlen(e->name));
    buf_puts(out, ":</b> ");
    html_put(out, e->description, strlen(e->description));
    buf_puts(out, "</li>\n");
}

void index_serve(struct exchange *ex)
{
    struct buf *out = &ex->out;
    buf_puts(out, head);
    put_each(out, put_row);
    buf_puts(out, "</tbody>\n</table>\n<p><a href=\"goroutine?debug=2\">full goroutine stack dump</a></p>\n"
                  "<h2 id=\"graphs\">Flame graphs:</h2>\n<ul class=\"inline\" aria-labelledby=\"graphs\">\n");
    put_each(out, put_graph);
    buf_puts(out, "</ul>\n<h2 id=\"numbers\">Numbers:</h2>\n<ul class=\"inline\" aria-labelledby=\"numbers\">\n"
                  "<li><a href=\"../vars\">variables</a></li>\n<li><a href=\"../metrics\">metrics</a></li>\n</ul>\n");
    buf_puts(out, "<h2>Profile Descriptions:</h2>\n<ul>\n");
    put_each(out, put_description);
    buf_puts(out, "</ul>\n<h2>What the profiler does here</h2>\n");
    health_put(out);
    buf_puts(out, "</main>\n</body>\n</html>\n");
    security_mark_page(ex);
    exchange_reply(ex, 200, "text/html; charset=utf-8");
}
