/* Hosts with a server of their own that know which descriptors they have, and close what they do not know. */
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "host.h"

#define STORM_S       1.5
#define MANY          64
#define LOWEST_OPENED 3
#define SERVES        (host_sampled && HOST_CALLS) /* else somebody else does, from outside, or nobody */
#define CONNECTIONS   20
#define PROFILES      2

/* The open descriptors from LOWEST_OPENED on. */
static int list_descriptors(int *fds)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && n < MANY && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd >= LOWEST_OPENED && fd != dirfd(d))
            fds[n++] = fd;
    }
    if (d)
        closedir(d);
    return n;
}

static void serve(void)
{
    if (SERVES)
        host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
}

/* Over a connection to `port` of loopback: sends, and returns how many bytes came back. */
static ssize_t talk(uint16_t port, const char *said, char *heard, size_t room)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = HOST_GIVE_UP_S};
    ssize_t n = -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && write(fd, said, strlen(said)) > 0)
        n = recv(fd, heard, room, MSG_WAITALL);
    close(fd);
    return n;
}

static uint16_t port_of_server(void)
{
    const char *at = cprof_serve_addr(), *colon = at ? strrchr(at, ':') : NULL;
    return colon ? (uint16_t)atoi(colon + 1) : 0;
}

/* Another process takes profiles of this one meanwhile: its connections take no number here. 0 where there is no
 * server. */
static pid_t begin_profiles(void)
{
    static const char request[] = "GET /debug/pprof/profile?seconds=1 HTTP/1.0\r\n\r\n";
    static char answer[1 << 20];
    uint16_t port = SERVES ? port_of_server() : 0;
    pid_t pid = SERVES ? fork() : 0;
    if (!SERVES || pid)
        return pid;
    for (int i = 0; i < PROFILES; i++)
        if (talk(port, request, answer, sizeof answer) < 12 || strncmp(answer + 9, "200", 3) != 0)
            _exit(1);
    _exit(0);
}

static void end_profiles(pid_t pid)
{
    int status = 0;
    if (pid && (waitpid(pid, &status, 0) != pid || status != 0))
        printf("a profile failed\n");
}

static void say_descriptors(void)
{
    int fds[MANY], n = list_descriptors(fds), next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    printf("open:");
    for (int i = 0; i < n; i++)
        printf(" %d", fds[i]);
    printf("; next: %d\n", next);
}

/* What a child of a fork has, and what a program sees that is executed with everything left open. */
static void say_inherited(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        say_descriptors();
        fflush(stdout);
        execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l", NULL);
    }
    waitpid(pid, NULL, 0);
}

static void numbers_are_as_without(void)
{
    say_descriptors();
    serve();
    pid_t taker = begin_profiles();
    for (double end = host_storm_end(STORM_S); host_now() < end;) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd != LOWEST_OPENED)
            printf("the next was %d\n", fd);
        close(fd);
    }
    say_descriptors();
    end_profiles(taker);
    say_inherited();
    if (SERVES)
        host_expect("cprof_close", cprof_close(), CPROF_OK);
    say_descriptors();
}

static void *answer_all(void *listener)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = accept(*(int *)listener, NULL, NULL);
        if (fd < 0 || write(fd, "host", 4) != 4)
            perror("answer");
        close(fd);
    }
    return NULL;
}

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        perror("listen");
    *port = ntohs(a.sin_port);
    return fd;
}

/* A daemon that starts by closing what it does not know, while a profile is being taken, then listens itself. */
static void everything_is_closed(void)
{
    uint16_t port;
    int good = 0;
    serve();
    pid_t taker = begin_profiles();
    host_burn(0.3);
    for (int fd = LOWEST_OPENED; fd < 1024; fd++)
        close(fd);
    int listener = listen_somewhere(&port);
    pthread_t answers = host_thread(answer_all, &listener);
    for (int i = 0; i < CONNECTIONS; i++) {
        char heard[4];
        good += talk(port, "x", heard, sizeof heard) == 4 && memcmp(heard, "host", 4) == 0;
        host_burn(0.01);
    }
    pthread_join(answers, NULL);
    end_profiles(taker);
    end_profiles(begin_profiles());
    printf("listener %d; %d of %d answered\n", listener, good, CONNECTIONS);
    if (SERVES)
        host_expect("cprof_close", cprof_close(), CPROF_OK);
    say_descriptors();
}

/* Where a call of prctl goes. */
__attribute__((noinline)) static uintptr_t prctl_now(void)
{
    __asm__ volatile("" ::: "memory");
    return (uintptr_t)prctl;
}

static int count_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

/* A host that restricts its system calls does so without anybody of ours, who would not know what is left. */
static void goes_into_a_jail(void)
{
    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {1, &all};
    uintptr_t theirs = prctl_now();
    serve();
    for (double end = host_now() + HOST_GIVE_UP_S; SERVES && prctl_now() == theirs && host_now() < end;)
        usleep(1000);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        perror("prctl");
    printf("threads in the jail: %d\n", count_threads());
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {{"numbers", numbers_are_as_without},
                                      {"closed", everything_is_closed},
                                      {"jailed", goes_into_a_jail},
                                      {NULL, NULL}};
    return host_main(argc, argv, cases);
}
