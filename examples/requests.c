/*
 * Counters: a web server, a thread a connection, whose middleware counts its requests, by path too, and the threads
 * that are alive. cprof serves the counts beside it.
 *
 *     cc -O2 -g examples/requests.c $(cprof config --cflags --libs) -lpthread -o requests
 *     ./requests 8080 6060                 its own port and the debug server's; 0 picks one
 *     curl http://127.0.0.1:8080/cart
 *     curl http://127.0.0.1:6060/debug/vars
 *     curl http://127.0.0.1:6060/debug/metrics      the same for Prometheus
 */
#include <cprof.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct cprof_var *requests, *by_path, *live_threads;

static void hello(int connection, const char *path)
{
    char answer[512];
    int n = snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\nhello from %s\n",
                     strlen(path) + strlen("hello from \n"), path);
    if (write(connection, answer, (size_t)n) != n)
        fprintf(stderr, "client has gone\n");
}

/* The middleware: counts, then lets the handler answer. */
static void counted(void (*handler)(int connection, const char *path), int connection, const char *path)
{
    cprof_int_add(requests, 1);
    cprof_map_add(by_path, path, 1);
    handler(connection, path);
}

static void *serve_connection(void *arg)
{
    int connection = (int)(intptr_t)arg;
    char request[2048], path[256];
    cprof_int_add(live_threads, 1);
    ssize_t n = read(connection, request, sizeof request - 1);
    request[n > 0 ? n : 0] = '\0';
    if (sscanf(request, "GET %255[^? ]", path) == 1)
        counted(hello, connection, path);
    shutdown(connection, SHUT_WR);
    while (read(connection, request, sizeof request) > 0)
        ; /* what the client still sends */
    close(connection);
    cprof_int_add(live_threads, -1);
    return NULL;
}

static void *accept_connections(void *arg)
{
    for (;;) {
        pthread_t thread;
        int connection = accept((int)(intptr_t)arg, NULL, NULL);
        if (connection < 0)
            continue;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            close(connection);
    }
    return NULL;
}

static int listen_on(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0) {
        perror("listen");
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&at, &size);
    printf("pages: http://127.0.0.1:%d\n", ntohs(at.sin_port));
    return fd;
}

int main(int argc, char **argv)
{
    char debug[64];
    pthread_t thread;
    signal(SIGPIPE, SIG_IGN);
    requests = cprof_int_new("requests");
    by_path = cprof_map_new("requests.by_path");
    live_threads = cprof_int_new("threads.live");

    snprintf(debug, sizeof debug, "127.0.0.1:%s", argc > 2 ? argv[2] : "6060");
    if (cprof_serve(debug) < 0)
        fprintf(stderr, "no debug server: %s\n", cprof_last_error());
    else
        printf("counts: http://%s/debug/vars, profiles: http://%s/debug/pprof/\n", cprof_serve_addr(),
               cprof_serve_addr());
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    fflush(stdout);
    if (pthread_create(&thread, NULL, accept_connections, (void *)(intptr_t)listener) != 0)
        return 1;
    while (getchar() != EOF) /* until its input ends */
        ;
    return 0;
}
