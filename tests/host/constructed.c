/*
 * Constructors and destructors that serve, under the loader's lock: of a program, and of a plugin (this file with
 * -DPLUGIN=1) that is loaded and unloaded again and again while profiles are taken and another thread loads and unloads
 * one that does not serve (-DPLUGIN=0). Each asks its server something before it goes on.
 *     program bare|cprof early|plugin SCRATCH PLUGIN OTHER
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "host.h"

/* Status of an answer; 0 without one. */
static int ask_server(void)
{
    static const char request[] = "GET /debug/pprof/cmdline HTTP/1.0\r\n\r\n";
    const char *at = cprof_serve_addr(), *colon = at ? strrchr(at, ':') : NULL;
    char answer[64] = "";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_port = colon ? htons((uint16_t)atoi(colon + 1)) : 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && write(fd, request, sizeof request - 1) > 0 &&
        poll(&ready, 1, HOST_GIVE_UP_S * 1000) == 1 && read(fd, answer, sizeof answer - 1) < 0)
        perror("read");
    close(fd);
    return strlen(answer) > 9 ? atoi(answer + 9) : 0;
}

static void serve_and_ask(void)
{
    host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
    host_expect("the answer", ask_server(), 200);
}

#ifdef PLUGIN

/* The program says so by its environment: it has no other way before the constructor. */
__attribute__((constructor)) static void begin(void)
{
    if (PLUGIN && getenv("HOST_SERVES"))
        serve_and_ask();
}

__attribute__((destructor)) static void end(void)
{
    if (PLUGIN && getenv("HOST_SERVES"))
        host_expect("cprof_close", cprof_close(), CPROF_OK);
}

#else

#define ROUNDS 60

static bool served_early;

__attribute__((constructor)) static void begin(int argc, char **argv)
{
    host_sampled = argc > 2 && strcmp(argv[1], "cprof") == 0;
    served_early = host_sampled && strcmp(argv[2], "early") == 0;
    if (served_early)
        serve_and_ask();
}

static void early(void)
{
    if (served_early) {
        host_expect("the answer later", ask_server(), 200);
        host_expect("cprof_close", cprof_close(), CPROF_OK);
    }
    printf("started\n");
}

static _Atomic bool done;

static void *load_and_unload(void *path)
{
    while (!done) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle || dlclose(handle) != 0)
            printf("%s\n", dlerror());
    }
    return NULL;
}

static void plugin(void)
{
    pthread_t other = host_thread(load_and_unload, host_arguments[1]);
    host_sample();
    if (host_sampled)
        setenv("HOST_SERVES", "1", 1);
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = dlopen(host_arguments[0], RTLD_NOW | RTLD_LOCAL);
        if (!handle || dlclose(handle) != 0)
            printf("%s\n", dlerror());
        host_burn(0.002);
    }
    done = true;
    pthread_join(other, NULL);
    host_stop();
    printf("unloaded\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {{"early", early}, {"plugin", plugin}, {NULL, NULL}};
    return host_main(argc, argv, cases);
}

#endif
