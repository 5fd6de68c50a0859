/* Hosts that have an execvpe of their own, made of execvp as it is where libc has none; and that become another program
 * in a handler which blocks all signals. */
#include <errno.h>
#include <sys/wait.h>

#include "host.h"

extern char **environ;

int execvpe(const char *file, char *const argv[], char *const envp[])
{
    char **before = environ;
    environ = (char **)envp;
    int result = execvp(file, argv);
    environ = before;
    return result;
}

static void becomes_by_its_own(void)
{
    static char *const argv[] = {"sh", "-c", "exit 7", NULL};
    int status = -1;
    host_sample();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execvpe("sh", argv, environ);
        _exit(1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    printf("a child: %#x\n", status);
    execvpe("/nowhere/at/all", argv, environ);
    printf("itself: %s\n", strerror(errno));
    host_stop();
}

static void become(int sig)
{
    char *argv[] = {"again", "bare", "next", "-", NULL};
    (void)sig;
    host_burn(0.1);
    execv("/proc/self/exe", argv);
    _exit(1);
}

/* What pends for a thread pends for the program that it becomes. */
static void becomes_in_a_handler(void)
{
    struct sigaction action = {.sa_handler = become};
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR2, &action, NULL);
    host_sample();
    raise(SIGUSR2);
}

static void next(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    printf("lives\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"own", becomes_by_its_own}, {"handler", becomes_in_a_handler}, {"next", next}, {NULL, NULL}};
    return host_main(argc, argv, cases);
}
