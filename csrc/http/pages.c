#include "http/pages.h"

#include "base/atfork.h"
#include "base/lock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One path. Calls hold it while they are out. */
struct page {
    struct page *next;
    _Atomic uint32_t holders;
    pages_fn *fn;
    void *arg;
    size_t len;
    char path[];
};

static struct lock pages_lock = LOCK_INIT(LOCK_PAGES);
static struct page *pages; /* guarded by pages_lock */

static void after_fork_child(void)
{
    lock_reset_after_fork(&pages_lock);
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_PAGES, .lock = &pages_lock, .after_child = after_fork_child};

static void drop(struct page *p)
{
    if (atomic_fetch_sub(&p->holders, 1) != 1)
        return;
    free(p->arg);
    free(p);
}

/* The place of path in the list, or of its end. */
static struct page **place_of(const char *path, size_t n)
{
    struct page **at = &pages;
    while (*at && ((*at)->len != n || memcmp((*at)->path, path, n) != 0))
        at = &(*at)->next;
    return at;
}

bool pages_is_clean(const char *path, size_t n)
{
    struct buf clean = {0};
    target_clean(path, n, &clean);
    bool same = !clean.failed && clean.len == n && memcmp(clean.data, path, n) == 0;
    buf_fini(&clean);
    return same;
}

static bool is_ours(const char *path)
{
    static const char *const ours[] = {"/debug/pprof", "/debug/pprof/", "/debug/vars", "/debug/metrics"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(path, ours[i]) == 0)
            return true;
    return strncmp(path, "/debug/pprof/", strlen("/debug/pprof/")) == 0;
}

enum status pages_add(const char *path, pages_fn *fn, void *page, struct reason *why)
{
    size_t n = strlen(path);
    if (*path != '/')
        return status_because(why, STATUS_INVALID, "the path of a page begins with a slash");
    if (!pages_is_clean(path, n))
        return status_because(why, STATUS_INVALID, "%.100s is never asked for: clients are sent to what it means",
                              path);
    if (is_ours(path))
        return status_because(why, STATUS_IN_USE, "%.100s is cprof's own", path);
    struct page *p = malloc(sizeof *p + n + 1);
    if (!p)
        return STATUS_NOMEM;
    *p = (struct page){.holders = 1, .fn = fn, .arg = page, .len = n};
    memcpy(p->path, path, n + 1);
    atfork_register(&fork_hooks);
    lock_take(&pages_lock);
    struct page **at = place_of(path, n);
    bool taken = *at != NULL;
    if (!taken)
        *at = p;
    lock_drop(&pages_lock);
    if (!taken) {
        call_want();
        return STATUS_OK;
    }
    free(p);
    return status_because(why, STATUS_IN_USE, "%.100s has a page already", path);
}

enum status pages_remove(const char *path)
{
    lock_take(&pages_lock);
    struct page **at = place_of(path, strlen(path)), *p = *at;
    if (p)
        *at = p->next;
    lock_drop(&pages_lock);
    if (!p)
        return STATUS_NOT_RUNNING;
    drop(p);
    return STATUS_OK;
}

static bool is_below(const struct page *p, const char *path, size_t n)
{
    return p->path[p->len - 1] == '/' && n > p->len && memcmp(p->path, path, p->len) == 0;
}

/* The page itself, else the nearest above it. Held. */
static struct page *find(const char *path, size_t n)
{
    lock_take(&pages_lock);
    struct page *best = *place_of(path, n);
    bool exact = best != NULL;
    for (struct page *p = pages; p && !exact; p = p->next)
        if (is_below(p, path, n) && (!best || p->len > best->len))
            best = p;
    if (best)
        atomic_fetch_add(&best->holders, 1);
    lock_drop(&pages_lock);
    return best;
}

struct page_call {
    struct call call;
    struct page *page;
    char *method, *target;
    struct buf body;
    struct mount_answer answer; /* run's until it is done */
};

static void run(struct call *call)
{
    struct page_call *c = (struct page_call *)call;
    const struct mount_request r = {c->method, c->target, c->body.data, c->body.len, NULL, NULL};
    c->answer.code = c->page->fn(c->page->arg, &r, &c->answer);
}

static void free_call(struct call *call)
{
    struct page_call *c = (struct page_call *)call;
    drop(c->page);
    free(c->method);
    free(c->target);
    buf_fini(&c->body);
    mount_answer_fini(&c->answer);
    free(c);
}

/* "Name: value\r\n" lines, as pages_set wrote them. */
static void set_headers(struct exchange *ex, struct buf *lines)
{
    buf_put(lines, "", 1);
    for (char *line = lines->failed ? NULL : lines->data; line && *line;) {
        char *colon = strchr(line, ':'), *end = strstr(line, "\r\n");
        *colon = *end = '\0';
        exchange_set(ex, line, colon + 2);
        line = end + 2;
    }
}

static void answer(struct exchange *ex, struct call *call, bool late)
{
    struct page_call *c = (struct page_call *)call;
    if (late) {
        exchange_refuse(ex, 503, "The function behind this page has not returned in time");
        return;
    }
    if (c->answer.code < 200 || c->answer.code > 599) {
        exchange_refuse(ex, 500, "The function behind this page failed");
        return;
    }
    exchange_set(ex, "X-Content-Type-Options", "nosniff");
    exchange_set(ex, "Content-Type", "text/plain; charset=utf-8");
    set_headers(ex, &c->answer.headers);
    ex->out = c->answer.body;
    c->answer.body = (struct buf){0};
    exchange_reply(ex, c->answer.code, NULL);
}

static struct page_call *new_call(struct exchange *ex, struct page *p)
{
    struct page_call *c = calloc(1, sizeof *c);
    if (!c) {
        drop(p);
        return NULL;
    }
    c->call = (struct call){.run = run, .free = free_call};
    c->page = p;
    c->method = strdup(ex->verb);
    c->target = strdup(ex->uri);
    c->body = ex->body;
    ex->body = (struct buf){0};
    if (c->method && c->target)
        return c;
    free_call(&c->call);
    return NULL;
}

bool pages_serve(struct exchange *ex, const char *path, size_t n)
{
    struct page *p = find(path, n);
    if (!p)
        return false;
    struct page_call *c = new_call(ex, p);
    if (c)
        exchange_call(ex, &c->call, answer);
    else
        exchange_refuse(ex, 500, "out of memory");
    return true;
}

static bool is_token(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *name))
            return false;
    return true;
}

enum status pages_set(struct mount_answer *a, const char *name, const char *value)
{
    if (!is_token(name) || !value || strpbrk(value, "\r\n"))
        return STATUS_INVALID;
    if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
        return STATUS_INVALID;
    buf_printf(&a->headers, "%s: %s\r\n", name, value);
    return a->headers.failed ? STATUS_NOMEM : STATUS_OK;
}

enum status pages_write(struct mount_answer *a, const void *bytes, size_t n)
{
    buf_put(&a->body, bytes, n);
    return a->body.failed ? STATUS_NOMEM : STATUS_OK;
}
