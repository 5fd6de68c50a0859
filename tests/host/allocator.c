/* Hosts with an allocator of their own, as here: under the C library's, which the executable takes the place of. */
#include <arpa/inet.h>
#include <errno.h>
#include <link.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "host.h"

#define STORM_S     1.0
#define REFUSE_S    2.0
#define PATIENCE_US 30000 /* for an answer: a server without memory may never give one */
#define RARELY      4000

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *old, size_t n);
void __libc_free(void *p);

enum { PLAIN, ASKS_LOADER, REFUSES };

static _Atomic int habit = PLAIN;

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool inside;

static _Atomic unsigned refuse_every = 1, allocations, refused;

static int first_module_is_enough(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info, (void)size, (void)arg;
    return 1;
}

/* As heap profilers do, which unwind under their lock: the lock of the heap, then that of the loader. */
static void ask_loader(void)
{
    if (inside)
        return;
    inside = true;
    pthread_mutex_lock(&heap_lock);
    dl_iterate_phdr(first_module_is_enough, NULL);
    pthread_mutex_unlock(&heap_lock);
    inside = false;
}

static bool called_by_cprof(void)
{
    static _Thread_local char name[17];
    if (!name[0])
        prctl(PR_GET_NAME, name);
    bool ours = strncmp(name, "cprof-", 6) == 0;
    if (!ours)
        name[0] = '\0'; /* a thread is given its name only after its first allocations */
    return ours;
}

/* There is never memory for every n-th allocation of cprof's threads. */
static bool refuse(void)
{
    if (!called_by_cprof() || atomic_fetch_add(&allocations, 1) % refuse_every != 0)
        return false;
    atomic_fetch_add(&refused, 1);
    errno = ENOMEM;
    return true;
}

static bool granted(void)
{
    if (habit == ASKS_LOADER)
        ask_loader();
    return habit != REFUSES || !refuse();
}

void *malloc(size_t n)
{
    return granted() ? __libc_malloc(n) : NULL;
}

void *calloc(size_t n, size_t each)
{
    return granted() ? __libc_calloc(n, each) : NULL;
}

void *realloc(void *old, size_t n)
{
    return granted() ? __libc_realloc(old, n) : NULL;
}

void free(void *p)
{
    __libc_free(p);
}

static _Atomic bool end;

static void *allocate_all_the_time(void *arg)
{
    (void)arg;
    while (!end) {
        void *volatile p = malloc(100);
        free(p);
    }
    return NULL;
}

/* The core is opened before: the loader allocates under its own lock, which no host with such an allocator survives. */
static void asks_loader_under_lock(void)
{
    pthread_t threads[2];
    if (host_sampled)
        cprof_set_cpu_hz(0);
    habit = ASKS_LOADER;
    for (int i = 0; i < 2; i++)
        threads[i] = host_thread(allocate_all_the_time, NULL);
    for (double until = host_storm_end(STORM_S); host_now() < until;) {
        host_sample();
        host_burn(0.05);
        host_stop();
    }
    end = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("no deadlock\n");
}

static int connect_to_server(void)
{
    const char *address = cprof_serve_addr();
    if (!address)
        return -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_usec = PATIENCE_US};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(s, (struct sockaddr *)&to, sizeof to) == 0)
        return s;
    close(s);
    return -1;
}

/* Whatever comes back: an answer, an error, or nothing at all. */
static void request(const char *path)
{
    char text[4096];
    int s = connect_to_server();
    if (s < 0)
        return;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (send(s, text, strlen(text), MSG_NOSIGNAL) > 0)
        while (read(s, text, sizeof text) > 0)
            ;
    close(s);
}

static void serve_once(void)
{
    if (cprof_serve("127.0.0.1:0") != CPROF_OK)
        return;
    request("/debug/pprof/");
    request("/debug/pprof/cmdline");
    cprof_close();
}

/* From hardly any memory to hardly any lack of it: each fails at other places. */
static void refuse_cprof_during(void (*once)(void))
{
    double until = host_storm_end(REFUSE_S);
    habit = REFUSES;
    for (unsigned n = 2; host_sampled && n < RARELY && host_now() < until; n += n / 8 + 1) {
        refuse_every = n;
        once();
    }
    habit = PLAIN;
    host_expect("an allocation was refused", refused > 0, host_sampled);
    host_sample(); /* with memory again all is well */
    host_burn(0.05);
    host_stop();
    printf("alive\n");
}

static void refuses_server(void)
{
    refuse_cprof_during(serve_once);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"asks_loader", asks_loader_under_lock},
        {"refuses_server", refuses_server},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
