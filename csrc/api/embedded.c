#include "api/embedded.h"

#include "api/cprof.h"
#include "api/enter.h"
#include "http/mount.h"
#include "http/pages.h"

#include <stdlib.h>
#include <string.h>

/* Behind cprof_http_response.own. */
struct own {
    struct mount_answer answer; /* what cprof_http_handle gave; unused in a page's */
    struct mount_answer *page;  /* what a page writes; NULL in an answer of cprof_http_handle */
};

static enum status copy_request(const struct cprof_http_request *in, struct mount_request *out, struct reason *why)
{
    struct cprof_http_request r = {0};
    if (!in || in->size < offsetof(struct cprof_http_request, body))
        return status_because(why, STATUS_INVALID, "the request's size is not set");
    memcpy(&r, in, in->size < sizeof r ? in->size : sizeof r);
    if (!r.method || !r.target || (r.body_bytes && !r.body))
        return status_because(why, STATUS_INVALID, "the request has no method, target or body");
    *out = (struct mount_request){r.method, r.target, r.body, r.body_bytes, r.gone, r.arg};
    return STATUS_OK;
}

static enum status handle(int what, const char *name, const struct cprof_http_request *req,
                          struct cprof_http_response *res, struct reason *why)
{
    struct mount_request r;
    if (!res || res->size < sizeof *res || (what == MOUNT_PROFILE && !name))
        return status_because(why, STATUS_INVALID, "the response's size is not set, or the profile has no name");
    enum status status = copy_request(req, &r, why);
    if (status)
        return status;
    struct own *own = calloc(1, sizeof *own);
    if (!own)
        return STATUS_NOMEM;
    struct mount_answer *a = &own->answer;
    status = mount_serve((enum mount_what)what, name, &r, a, why);
    if (status) {
        free(own);
        return status;
    }
    buf_put(&a->headers, "", 1);
    res->status = a->code;
    res->headers = a->headers.failed ? "" : a->headers.data;
    res->body = a->body.data;
    res->body_bytes = a->body.len;
    res->own = own;
    return STATUS_OK;
}

int embedded_handle(int what, const char *name, const struct cprof_http_request *req, struct cprof_http_response *res)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, handle(what, name, req, res, &why), &why);
}

/* The answer of a page is the server's, and no longer than the page runs. */
void embedded_response_free(struct cprof_http_response *res)
{
    struct own *own = res ? res->own : NULL;
    if (!own || own->page)
        return;
    mount_answer_fini(&own->answer);
    free(own);
    *res = (struct cprof_http_response){.size = res->size};
}

/* NULL: no page was given it. */
static struct mount_answer *of_page(const struct cprof_http_response *res)
{
    const struct own *own = res ? res->own : NULL;
    return own ? own->page : NULL;
}

int embedded_set(struct cprof_http_response *res, const char *name, const char *value)
{
    struct mount_answer *a = of_page(res);
    return a && name ? pages_set(a, name, value) : STATUS_INVALID;
}

int embedded_write(struct cprof_http_response *res, const void *bytes, size_t n)
{
    struct mount_answer *a = of_page(res);
    return a ? pages_write(a, bytes, n) : STATUS_INVALID;
}

/* What a page of the program's is, in its own types. */
struct page {
    int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg);
    void *arg;
};

/* A page may have had cprof_http_handle fill the response that it was given: then that is the answer. */
static void take_over(struct cprof_http_response *res, struct mount_answer *a)
{
    struct own *own = res->own;
    if (!own || own->page)
        return;
    mount_answer_fini(a);
    *a = own->answer;
    if (a->headers.len)
        a->headers.len--; /* the NUL of handle() */
    free(own);
}

static int call_page(void *page, const struct mount_request *r, struct mount_answer *a)
{
    const struct page *p = page;
    const struct cprof_http_request req = {sizeof req, r->method, r->target, r->body, r->body_bytes, NULL, NULL};
    struct own own = {.page = a};
    struct cprof_http_response res = {.size = sizeof res, .status = 200, .own = &own};
    int code = p->fn(&req, &res, p->arg);
    take_over(&res, a);
    return code;
}

static enum status route(const char *path,
                         int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg),
                         void *arg, struct reason *why)
{
    if (!path)
        return status_because(why, STATUS_INVALID, "a page needs a path");
    if (!fn)
        return pages_remove(path);
    struct page *p = malloc(sizeof *p);
    if (!p)
        return STATUS_NOMEM;
    *p = (struct page){fn, arg};
    enum status status = pages_add(path, call_page, p, why);
    if (status)
        free(p);
    return status;
}

int embedded_route(const char *path,
                   int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg),
                   void *arg)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, route(path, fn, arg, &why), &why);
}
