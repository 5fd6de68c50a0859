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

/* A POST's body, while it comes. */
struct upload {
    char *bytes;
    size_t n;
};

static enum MHD_Result keep(struct upload *up, const char *bytes, size_t *n)
{
    char *grown = realloc(up->bytes, up->n + *n);
    if (!grown)
        return MHD_NO;
    memcpy(grown + up->n, bytes, *n);
    up->bytes = grown;
    up->n += *n;
    *n = 0;
    return MHD_YES;
}

struct query {
    char text[8192];
    size_t n;
};

/* The library has taken the query apart; cprof wants it whole. */
static enum MHD_Result add_argument(void *q, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct query *query = q;
    (void)kind;
    int n = snprintf(query->text + query->n, sizeof query->text - query->n, "%s%s%s%s", query->n ? "&" : "?", key,
                     value ? "=" : "", value ? value : "");
    if (n > 0 && query->n + (size_t)n < sizeof query->text)
        query->n += (size_t)n;
    return MHD_YES;
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

static enum MHD_Result answer(struct MHD_Connection *connection, const char *method, const char *path,
                              const struct upload *up)
{
    struct query query = {0};
    char target[sizeof query.text + 1024];
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &query);
    snprintf(target, sizeof target, "%s%s", path, query.text);
    struct cprof_http_request req = {
        .size = sizeof req, .method = method, .target = target, .body = up->bytes, .body_bytes = up->n};
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

static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *bytes, size_t *n, void **request)
{
    (void)unused, (void)version;
    struct upload *up = *request;
    if (!up)
        return (*request = calloc(1, sizeof *up)) ? MHD_YES : MHD_NO;
    return *n ? keep(up, bytes, n) : answer(connection, method, path, up);
}

static void done(void *unused, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why)
{
    (void)unused, (void)connection, (void)why;
    struct upload *up = *request;
    if (up)
        free(up->bytes);
    free(up);
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
                         MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED, done, NULL, MHD_OPTION_END);
    if (!server)
        return 1;
    printf("http://127.0.0.1:%d/debug/pprof/\n", MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (double x = 1; result < 1e300; x += 1)
        result += 1 / x;
    MHD_stop_daemon(server);
    return 0;
}
