#include "http/routes.h"

#include "http/html.h"
#include "http/pages.h"

#include <string.h>

const struct route routes[] = {
    {"cmdline", "The command line invocation of the current program", false, cmdline_serve},
    {"profile", "CPU profile. The seconds GET parameter says how long to record, 30 if absent.", false, profile_serve},
    {"symbol", "Names of the program counters in the query or a POST body, separated by +.", true, symbol_serve},
    {"trace",
     "A trace of execution of the current program: its threads as they are when the window begins and when it ends. "
     "The seconds GET parameter says how long that is, 1 if absent. Look at the file with go tool trace.",
     false, trace_serve},
    {0},
};

static const struct route *find(const char *name, size_t n)
{
    for (const struct route *r = routes; r->name; r++)
        if (strlen(r->name) == n && memcmp(r->name, name, n) == 0)
            return r;
    return NULL;
}

/* Takes one decoded segment "/want" off *p; what follows starts with a slash or is empty. */
static bool take_segment(const char **p, const char *end, const char *want)
{
    if (*p == end || **p != '/')
        return false;
    const char *from = *p + 1, *slash = memchr(from, '/', (size_t)(end - from));
    if (!slash)
        slash = end;
    struct buf decoded = {0};
    bool same = target_decode(from, (size_t)(slash - from), false, &decoded) && decoded.len == strlen(want) &&
                memcmp(decoded.data, want, decoded.len) == 0;
    buf_fini(&decoded);
    if (same)
        *p = slash;
    return same;
}

static void redirect(struct exchange *ex, const char *path, size_t n)
{
    struct buf to = {0}, ascii = {0};
    buf_put(&to, path, n);
    if (ex->target.query_len) {
        buf_puts(&to, "?");
        buf_put(&to, ex->target.query, ex->target.query_len);
    }
    for (size_t i = 0; i < to.len; i++)
        buf_printf(&ascii, (unsigned char)to.data[i] < 0x80 ? "%c" : "%%%02x", (unsigned char)to.data[i]);
    buf_put(&ascii, "", 1);
    if (!ascii.failed)
        exchange_set(ex, "Location", ascii.data);
    bool read_only = ex->method == METHOD_GET || ex->method == METHOD_HEAD;
    if (ex->method == METHOD_GET) {
        buf_puts(&ex->out, "<a href=\"");
        html_put(&ex->out, to.data, to.len);
        buf_printf(&ex->out, "\">%s</a>.\n\n", exchange_phrase(301));
    }
    buf_fini(&to);
    buf_fini(&ascii);
    exchange_reply(ex, 301, read_only ? "text/html; charset=utf-8" : NULL);
}

static bool reads(const struct exchange *ex)
{
    return ex->method == METHOD_GET || ex->method == METHOD_HEAD;
}

static void refuse_method(struct exchange *ex, bool post)
{
    exchange_set(ex, "Allow", post ? "GET, HEAD, POST" : "GET, HEAD");
    exchange_refuse(ex, 405, "Method Not Allowed");
}

static bool is_ui(const char *name, size_t n)
{
    return n >= 3 && memcmp(name, "ui/", 3) == 0;
}

void routes_serve_profile(struct exchange *ex, const char *name, size_t n)
{
    const struct route *route = find(name, n);
    struct named profile;
    bool post = route && route->post;
    if (!reads(ex) && !(ex->method == METHOD_POST && post)) {
        refuse_method(ex, post);
        return;
    }
    exchange_set(ex, "X-Content-Type-Options", "nosniff");
    if (!n)
        index_serve(ex);
    else if (route)
        route->serve(ex);
    else if (is_ui(name, n))
        ui_serve(ex, name, n);
    else if (named_find(name, n, &profile))
        named_serve(ex, &profile);
    else
        exchange_error(ex, 404, "Unknown profile");
}

void routes_serve_vars(struct exchange *ex)
{
    if (reads(ex))
        vars_serve(ex);
    else
        refuse_method(ex, false);
}

/* p: what follows "/debug". Before the program's pages: one for all below "/" has it not. */
static bool serve_beside(struct exchange *ex, const char *p, const char *end)
{
    void (*serve)(struct exchange * ex) = NULL;
    if (take_segment(&p, end, "vars"))
        serve = vars_serve;
    else if (take_segment(&p, end, "metrics"))
        serve = metrics_serve;
    if (!serve || p != end)
        return false;
    if (reads(ex))
        serve(ex);
    else
        refuse_method(ex, false);
    return true;
}

static bool serve_page(struct exchange *ex, const struct buf *clean)
{
    struct buf path = {0};
    target_decode(clean->data, clean->len, false, &path);
    /* "%2e%2e" is cleaned away by nobody before us: a page that serves files would leave its folder. */
    bool clear = !path.failed && pages_is_clean(path.data, path.len);
    bool served = clear && pages_serve(ex, path.data, path.len);
    buf_fini(&path);
    return served;
}

static void serve_path(struct exchange *ex, const struct buf *clean)
{
    const char *p = clean->data, *end = p + clean->len;
    bool below_debug = take_segment(&p, end, "debug");
    bool below = below_debug && take_segment(&p, end, "pprof");
    if (below && p == end && reads(ex))
        redirect(ex, ROUTES_PREFIX, strlen(ROUTES_PREFIX));
    else if (clean->len != ex->target.path_len || memcmp(clean->data, ex->target.path, clean->len) != 0)
        redirect(ex, clean->data, clean->len);
    else if (below) {
        struct buf name = {0};
        target_decode(p == end ? p : p + 1, p == end ? 0 : (size_t)(end - p) - 1, false, &name);
        routes_serve_profile(ex, name.data, name.len);
        buf_fini(&name);
    } else if (!(below_debug && serve_beside(ex, p, end)) && !serve_page(ex, clean))
        exchange_refuse(ex, 404, "404 page not found");
}

void routes_serve(struct exchange *ex)
{
    if (!ex->sound) {
        exchange_set(ex, "Connection", "close");
        exchange_refuse(ex, 400, "400 Bad Request");
        return;
    }
    struct buf clean = {0};
    target_clean(ex->target.path, ex->target.path_len, &clean);
    if (clean.failed)
        exchange_error(ex, 500, "out of memory");
    else
        serve_path(ex, &clean);
    buf_fini(&clean);
}
