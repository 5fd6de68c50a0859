/* Hosts that leave their parent and their terminal. What the daemon has to say goes to a pipe of its first process. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define LAST_CLOSED 1023
#define CONNECTIONS 5

static int report[2];

/* On the descriptor that the daemon keeps: all others may be closed. */
static void say(const char *what, int value)
{
    dprintf(report[1], "%s: %d\n", what, value);
}

static void print_report(void)
{
    char text[4096];
    close(report[1]);
    for (ssize_t n; (n = read(report[0], text, sizeof text)) > 0;)
        fwrite(text, 1, (size_t)n, stdout);
}

static void open_report(void)
{
    if (pipe2(report, O_CLOEXEC) != 0)
        perror("pipe2");
    int high = fcntl(report[1], F_DUPFD_CLOEXEC, LAST_CLOSED + 1);
    close(report[1]);
    report[1] = high;
}

/* Lowest numbers, files, and a listener that all connections reach. */
static void live_as_daemon(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int arrived = 0, file = open("/dev/null", O_RDONLY), listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&at, size);
    listen(listener, CONNECTIONS);
    getsockname(listener, (struct sockaddr *)&at, &size);
    for (int i = 0; i < CONNECTIONS; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        connect(c, (struct sockaddr *)&at, size);
        int s = accept(listener, NULL, NULL);
        arrived += write(c, "x", 1) == 1 && read(s, &(char){0}, 1) == 1;
        close(c), close(s);
        host_burn(0.01);
    }
    say("first file", file);
    say("listener", listener);
    say("connections", arrived);
    say("leads its session", getsid(0) == getpid());
    say("may have a terminal", open("/dev/tty", O_RDWR) >= 0);
    _exit(0);
}

/* fork, setsid, fork, then nothing of what was open. */
static void detach_twice(void)
{
    pid_t pid = fork();
    if (pid > 0)
        return;
    setsid();
    if (fork() > 0)
        _exit(0);
    umask(0);
    if (chdir("/") != 0)
        _exit(1);
    for (int fd = 0; fd <= LAST_CLOSED; fd++)
        close(fd);
    for (int fd = 0; fd <= 2; fd++)
        if (open("/dev/null", O_RDWR) != fd)
            say("not its number", fd);
    live_as_daemon();
}

static void serve_and_sample(void)
{
    host_sample();
    if (host_sampled && HOST_CALLS)
        host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
}

static void double_fork(void)
{
    open_report();
    serve_and_sample();
    detach_twice();
    wait(NULL);
    print_report();
    host_stop();
}

/* The library's: this process becomes the daemon's parent, which ends at once; a process in between waits for both. */
static void by_daemon(void)
{
    open_report();
    serve_and_sample();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (daemon(0, 0) != 0)
            _exit(1);
        say("daemon", 0);
        live_as_daemon();
    }
    int status = -1;
    waitpid(pid, &status, 0);
    print_report();
    printf("its parent: %#x\n", status);
    host_stop();
}

/* What was started is the daemon itself, and whoever started it sees it end at once. */
static void at_once(void)
{
    serve_and_sample();
    host_burn(0.05);
    printf("goes to the background\n");
    fflush(stdout);
    if (daemon(1, 1) != 0)
        perror("daemon");
    host_burn(0.05);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"double_fork", double_fork},
        {"daemon", by_daemon},
        {"at_once", at_once},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
