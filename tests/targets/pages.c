/* Pages of the program's own on cprof's server. Lines of stdin: remove PATH | add PATH | let (the slow page go) | close
 */
#include "work.h"

#include <cprof.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic int may_go, went;

static int echo(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    char text[300];
    int n = snprintf(text, sizeof text, "%s %s %s ", (const char *)arg, req->method, req->target);
    cprof_http_write(res, text, (size_t)n);
    cprof_http_write(res, req->body, req->body_bytes);
    return 200;
}

static int teapot(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)arg;
    int bad = cprof_http_set(res, "X-Bad", "a\r\nX-Split: 1") == CPROF_ERR_INVALID &&
              cprof_http_set(res, "Bad Name", "a") == CPROF_ERR_INVALID &&
              cprof_http_set(res, "Content-Length", "3") == CPROF_ERR_INVALID &&
              cprof_http_set(res, "X-Good", "yes") == 0;
    cprof_http_set(res, "Content-Type", "text/html; charset=utf-8");
    cprof_http_write(res, bad ? "<b>short</b>" : "stout", bad ? 12 : 5);
    return 418;
}

static int fails(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    return -1;
}

static int slow(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    while (!may_go)
        usleep(1000);
    went++;
    return 200;
}

int main(void)
{
    char line[400];
    printf("%d %d %d %d %d %d\n", cprof_route("/hello", echo, "exact"), cprof_route("/tree/", echo, "tree"),
           cprof_route("/tree/deeper/", echo, "deeper"), cprof_route("/tea", teapot, NULL),
           cprof_route("/fails", fails, NULL), cprof_route("/slow", slow, NULL));
    printf("%d %d %d %d\n", cprof_route("/hello", echo, "again"), cprof_route("/debug/pprof/heap", echo, "ours"),
           cprof_route("/debug/vars", echo, "ours"), cprof_route("no slash", echo, "bad"));
    cprof_serve("127.0.0.1:0");
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "remove ", 7) == 0)
            printf("removed %d\n", cprof_route(line + 7, NULL, NULL));
        else if (strncmp(line, "add ", 4) == 0)
            printf("added %d\n", cprof_route(line + 4, echo, "new"));
        else if (strcmp(line, "let") == 0)
            may_go = 1;
        else if (strcmp(line, "close") == 0)
            printf("closed %d\n", cprof_close());
        else if (strcmp(line, "went") == 0)
            printf("went %d\n", went);
        fflush(stdout);
    }
    return 0;
}
