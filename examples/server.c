/*
 * A small server with a debug door: it answers each line it receives on 127.0.0.1 with a rendered page, and has
 * built-in clients that keep it busy, so that there is something to see.
 *
 *     cc -O2 -g examples/server.c $(cprof config --cflags --libs) -lpthread -o server
 *     ./server 6060                      the debug server's port; 0 picks one
 *     cprof top http://127.0.0.1:6060
 *
 * Where the time goes is known: for each request render_page does three units of work and parse_request one, the
 * same unit in both, so a true profile shows them 3 : 1.
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

#define CLIENTS      2
#define UNIT_ROUNDS  60000 /* about 60 us: far below a tick, so ticks cannot fall in step with requests */
#define RENDER_UNITS 3

static inline uint32_t mix(uint32_t hash, uint32_t word)
{
    hash ^= word;
    hash *= 16777619u;
    return hash;
}

__attribute__((noinline)) static uint32_t parse_request(const char *line)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < UNIT_ROUNDS; i++)
        hash = mix(hash, i + (uint32_t)line[0]);
    return hash;
}

__attribute__((noinline)) static uint32_t render_page(uint32_t request)
{
    uint32_t hash = request;
    for (uint32_t i = 0; i < RENDER_UNITS * UNIT_ROUNDS; i++)
        hash = mix(hash, i);
    return hash;
}

__attribute__((noinline)) static void handle_request(int connection, const char *line)
{
    char page[64];
    uint32_t request = parse_request(line);
    int n = snprintf(page, sizeof page, "page %08x\n", render_page(request));
    if (write(connection, page, (size_t)n) != n)
        close(connection);
}

static void *serve_connection(void *arg)
{
    int connection = (int)(intptr_t)arg;
    char line[128];
    ssize_t n;
    while ((n = read(connection, line, sizeof line - 1)) > 0) {
        line[n] = '\0';
        handle_request(connection, line);
    }
    close(connection);
    return NULL;
}

static void *accept_connections(void *arg)
{
    int listener = (int)(intptr_t)arg;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        pthread_t thread;
        if (connection >= 0 && pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static void *run_client(void *arg)
{
    const struct sockaddr_in *server = arg;
    char answer[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)server, sizeof *server) != 0)
        return NULL;
    while (write(fd, "GET page\n", 9) == 9 && read(fd, answer, sizeof answer) > 0)
        ;
    close(fd);
    return NULL;
}

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t n = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, n) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &n) != 0) {
        perror("server");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    char debug_address[64];
    pthread_t thread;
    int listener = listen_on_loopback(&address), signal_number;
    sigset_t stop;

    snprintf(debug_address, sizeof debug_address, "127.0.0.1:%s", argc > 1 ? argv[1] : "6060");
    if (cprof_serve(debug_address) != 0) {
        fprintf(stderr, "server: %s\n", cprof_last_error());
        return 1;
    }
    printf("pages on 127.0.0.1:%d, debug server on http://%s/debug/pprof/\n", ntohs(address.sin_port),
           cprof_serve_addr());
    fflush(stdout);

    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    pthread_create(&thread, NULL, accept_connections, (void *)(intptr_t)listener);
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&thread, NULL, run_client, &address);
    sigwait(&stop, &signal_number);
    cprof_close();
    return 0;
}
