/* The C functions called rightly and wrongly; prints "what: status error-text" for each. */
#include <cprof.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

static void say(const char *what, int status)
{
    printf("%s: %d %s\n", what, status, status < 0 ? cprof_last_error() : "");
    fflush(stdout);
}

static void recordings(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), ends[2];
    say("stop before start", cprof_cpu_stop());
    say("start on a closed descriptor", cprof_cpu_start(-1, 0));
    say("start on a read-only descriptor", cprof_cpu_start(open("/dev/null", O_RDONLY), 0));
    say("start at a negative rate", cprof_cpu_start(fd, -5));
    say("start at an absurd rate", cprof_cpu_start(fd, 1000000));
    say("start", cprof_cpu_start(fd, 0));
    say("start twice", cprof_cpu_start(fd, 0));
    close(fd); /* ours is a duplicate */
    for (double end = work_thread_seconds() + 0.5; work_thread_seconds() < end;)
        work_units(1);
    say("stop", cprof_cpu_stop());
    say("stop twice", cprof_cpu_stop());
    if (pipe(ends) == 0) {
        say("start into a pipe", cprof_cpu_start(ends[1], 0));
        close(ends[0]);
        close(ends[1]);
        say("stop with the reader gone", cprof_cpu_stop());
    }
}

static void servers(void)
{
    char taken[128];
    say("close before serve", cprof_close());
    say("serve nowhere", cprof_serve("no.such.host.invalid:6060"));
    say("serve nonsense", cprof_serve("127.0.0.1:port"));
    say("serve everyone", cprof_serve("0.0.0.0:0"));
    printf("addr before: %s\n", cprof_serve_addr() ? cprof_serve_addr() : "none");
    say("serve", cprof_serve("localhost:0"));
    snprintf(taken, sizeof taken, "%s", cprof_serve_addr());
    printf("addr: %s\n", taken);
    say("serve twice", cprof_serve("127.0.0.1:0"));
    if (fork() == 0) {
        /* The child has no server; the parent's port is taken; a port of its own works. */
        printf("child addr: %s\n", cprof_serve_addr() ? cprof_serve_addr() : "none");
        say("child serve on the parent's port", cprof_serve(taken));
        say("child serve", cprof_serve("127.0.0.1:0"));
        say("child close", cprof_close());
        exit(0);
    }
    wait(NULL);
    say("close", cprof_close());
    say("close twice", cprof_close());
    say("serve again", cprof_serve("127.0.0.1:0"));
    say("close again", cprof_close());
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    printf("version: %d\n", strcmp(cprof_version(), CPROF_VERSION));
    printf("rate: %d\n", cprof_set_cpu_hz(0));
    servers();
    recordings(argv[1]);
    return 0;
}
