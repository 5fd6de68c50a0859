/*
 * cprof's pages on a server that the program has anyway, here one of GNU libmicrohttpd: no second port, and the
 * program's own rules about who may ask.
 *
 *     cc mounted.c $(cprof config --cflags --libs) -lmicrohttpd -o mounted && ./mounted 8080
 *     go tool pprof http://127.0.0.1:8080/debug/pprof/profile?seconds=5
 */
#include <cprof.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One request: its target as the client wrote it, and a POST's body while it comes. */
struct request {
    char *target;
    char *body;
    size_t n;
    enum MHD_Result headed;
};

/* The library takes paths and queries apart; cprof wants them whole. */
static void *begin(void *unused, const char *target, struct MHD_Connection *connection)
{
    (void)unused, (void)connection;
    struct request *r = calloc(1, sizeof *r);
    if (r)
        r->target = strdup(target);
    return r;
}

static enum MHD_Result keep(struct request *r, const char *bytes, size_t *n)
{
    char *grown = realloc(r->body, r->n + *n);
    if (!grown)
        return MHD_NO;
    memcpy(grown + r->n, bytes, *n);
    r->body = grown;
    r->n += *n;
    *n = 0;
    return MHD_YES;
}

static void end(void *unused, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why)
{
    (void)unused, (void)connection, (void)why;
    struct request *r = *request;
    if (!r)
        return;
    free(r->target);
    free(r->body);
    free(r);
}

static void add_headers(struct MHD_Response *response, const char *lines)
{
    char *copy = strdup(lines), *rest = copy;
    for (char *line; copy && (line = strsep(&rest, "\n")) && *line;) {
        char *colon = strchr(line, ':');
        line[strcspn(line, "\r")] = '\0';
        if (colon) {
            *colon = '\0';
            MHD_add_response_header(response, line, colon + 2);
        }
    }
    free(copy);
}

static enum MHD_Result answer(struct MHD_Connection *connection, const char *method, const struct request *r)
{
    struct cprof_http_request req = {
        .size = sizeof req, .method = method, .target = r->target, .body = r->body, .body_bytes = r->n};
    struct cprof_http_response res = {.size = sizeof res};
    if (cprof_http_handle(&req, &res) < 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(res.body_bytes, (void *)res.body, MHD_RESPMEM_MUST_COPY);
    add_headers(response, res.headers);
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)res.status, response);
    MHD_destroy_response(response);
    cprof_http_response_free(&res);
    return queued;
}

/* Called when the head is there, for each piece of the body, and at the end. */
static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *bytes, size_t *n, void **request)
{
    (void)unused, (void)path, (void)version;
    struct request *r = *request;
    if (!r || !r->target)
        return MHD_NO;
    if (*n)
        return keep(r, bytes, n);
    return r->headed ? answer(connection, method, r) : (r->headed = MHD_YES);
}

static volatile double result;

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 8080)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* A thread for each connection: a profile of 30 seconds holds up nobody else. */
    struct MHD_Daemon *server =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, handle, NULL,
                         MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_URI_LOG_CALLBACK, begin, NULL,
                         MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_END);
    if (!server)
        return 1;
    printf("http://127.0.0.1:%d/debug/pprof/\n", MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (double x = 1; result < 1e300; x += 1)
        result += 1 / x;
    MHD_stop_daemon(server);
    return 0;
}
