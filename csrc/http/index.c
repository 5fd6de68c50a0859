#include "hook/got.h"
#include "http/routes.h"
#include "sampler/cpu.h"
#include "symbol/taken.h"

#include <inttypes.h>
#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>/debug/pprof/</title>\n<style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }\n"
    "table { border-collapse: collapse }\n"
    "th, td { text-align: left; padding: .15em 1.2em .15em 0; border-bottom: 1px solid #8884 }\n"
    "td.n { text-align: right; font-variant-numeric: tabular-nums }\n"
    ".bad { color: #c22; font-weight: 600 }\n"
    "@media (prefers-color-scheme: dark) { .bad { color: #f77 } }\n"
    "</style>\n</head>\n<body>\n<h1>/debug/pprof/</h1>\n"
    "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n"
    "<p>Types of profiles available:</p>\n"
    "<table>\n<thead><tr><th>Count</th><th>Profile</th></tr></thead>\n<tbody>\n";

/* In a program's own name anything may stand. A colon in the first segment would make a scheme of it, and slashes that
 * are not alone would be cleaned away. */
static void put_link(struct buf *out, const char *name)
{
    if (strchr(name, ':'))
        buf_puts(out, "./");
    for (const char *c = name; *c; c++) {
        bool lone_slash = *c == '/' && c > name && c[-1] != '/' && c[1] && c[1] != '/';
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
                     strchr("-_.~$+,:;=@", *c);
        buf_printf(out, plain || lone_slash ? "%c" : "%%%02X", (unsigned char)*c);
    }
}

static void put_row(struct buf *out, const char *name, uint64_t count)
{
    buf_printf(out, "<tr><td>%" PRIu64 "</td><td><a href='", count);
    put_link(out, name);
    buf_puts(out, "?debug=1'>");
    exchange_put_escaped(out, name, strlen(name));
    buf_puts(out, "</a></td></tr>\n");
}

static void put_profiles(struct buf *out)
{
    struct named p;
    for (size_t i = 0; named_at(i, &p); i++)
        put_row(out, p.name, named_count(&p));
    for (const struct route *r = routes; r->name; r++)
        put_row(out, r->name, 0);
    buf_puts(out, "</tbody>\n</table>\n<h2>Profile Descriptions:</h2>\n<ul>\n");
    for (size_t i = 0; named_at(i, &p); i++) {
        buf_puts(out, "<li><b>");
        exchange_put_escaped(out, p.name, strlen(p.name));
        buf_printf(out, ":</b> %s</li>\n", p.description);
    }
    for (const struct route *r = routes; r->name; r++)
        buf_printf(out, "<li><b>%s:</b> %s</li>\n", r->name, r->description);
    buf_puts(out, "</ul>\n");
}

static void put_count(struct buf *out, const char *what, uint64_t n, bool is_loss)
{
    buf_printf(out, "<tr><td>%s</td><td class=\"n%s\">%" PRIu64 "</td></tr>\n", what, is_loss && n ? " bad" : "", n);
}

static void put_status(struct buf *out)
{
    struct cpu_stats s = {0};
    cpu_stats(&s);
    buf_puts(out, "<h2>CPU sampling</h2>\n<table>\n<tbody>\n");
    if (s.hz)
        buf_printf(out, "<tr><td>rate</td><td class=\"n\">%u Hz</td></tr>\n", s.hz);
    else
        buf_puts(out, "<tr><td>rate</td><td class=\"n\">not sampling now</td></tr>\n");
    put_count(out, "open windows", s.windows, false);
    put_count(out, "samples", s.samples, false);
    put_count(out, "ticks", s.ticks, false);
    put_count(out, "lost (ring full)", s.lost_ring_full, true);
    put_count(out, "truncated stacks", s.truncated, true);
    put_count(out, "threads covered", s.threads_covered, false);
    put_count(out, "threads that block SIGPROF", s.threads_blocked, true);
    put_count(out, "threads without a timer", s.threads_refused, true);
    put_count(out, "failed looks for threads", s.scans_failed, true);
    put_count(out, "late ticks", s.late, false);
    put_count(out, "SIGPROFs passed on", s.foreign, false);
    buf_printf(out, "<tr><td>SIGPROF handler</td><td class=\"n%s\">%s</td></tr>\n", s.stolen ? " bad" : "",
               s.stolen ? "replaced by the program"
               : s.hz   ? "ours"
                        : "ours while sampling");
    if (got_is_used())
        put_count(out, "places where calls are redirected", got_count(), false);
    else
        buf_puts(out, "<tr><td>calls</td><td class=\"n\">pass through the preloaded library</td></tr>\n");
    if (taken_function())
        buf_printf(out, "<tr><td>names</td><td class=\"n bad\">off: the program defines %s</td></tr>\n",
                   taken_function());
    buf_puts(out, "</tbody>\n</table>\n<p>Totals since the start of the process.</p>\n");
}

void index_serve(struct exchange *ex)
{
    buf_puts(&ex->out, head);
    put_profiles(&ex->out);
    put_status(&ex->out);
    buf_puts(&ex->out, "</body>\n</html>\n");
    exchange_reply(ex, 200, "text/html; charset=utf-8");
}
