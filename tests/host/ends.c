/* Hosts that end, or become another program, while they are sampled and serve. */
#include <errno.h>
#include <sys/wait.h>

#include "host.h"

#define CHILDREN   16
#define EXIT_CODE  7
#define EXECS      12
#define COUNT_NAME "HOST_EXECS_LEFT"

static void *burn_for_ever(void *arg)
{
    for (;;)
        work_units(1);
    return arg;
}

static void serve_and_sample(void)
{
    if (!host_sampled)
        return;
    host_record("cpu.pb.gz", HOST_HZ);
    host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
}

/* Each a little later: at its start the engine looks at what is loaded, later it finds threads and drains. */
static void exits(void)
{
    int well = 0;
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            host_thread(burn_for_ever, NULL);
            serve_and_sample();
            host_burn(0.003 * i);
            exit(EXIT_CODE);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        well += WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE;
    }
    printf("%d of %d ended by exit(%d)\n", well, CHILDREN, EXIT_CODE);
}

/* A tick that is pending when the handler goes would end the new program: the default of SIGPROF. */
static void becomes_another(void)
{
    const char *left = getenv(COUNT_NAME);
    int n = left ? atoi(left) : EXECS;
    char text[16];
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
    if (n == 0) {
        printf("%d programs later: alive\n", EXECS);
        return;
    }
    host_sample_at(10000);
    if (n % 2)
        pthread_sigmask(SIG_BLOCK, &prof, NULL);
    host_burn(0.02);
    snprintf(text, sizeof text, "%d", n - 1);
    setenv(COUNT_NAME, text, 1);
    fflush(stdout);
    execl("/proc/self/exe", "ends", host_sampled ? "cprof" : "bare", "exec", host_scratch, (char *)NULL);
    perror("execl");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"exit", exits},
        {"exec", becomes_another},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
