/* Hosts that end, or become another program, while they are sampled and serve. */
#include <errno.h>
#include <stdint.h>
#include <sys/wait.h>

#include "host.h"

#define CHILDREN   16
#define EXIT_CODE  7
#define EXECS      12
#define COUNT_NAME "HOST_EXECS_LEFT"

static bool host_is_ending;

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
    if (HOST_CALLS)
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

/* The ends of a process that is sampled and serves, while another thread works. The second argument says when. */
static void *end_from_here(void *arg)
{
    void (*end)(void) = (void (*)(void))(uintptr_t)arg;
    end();
    return NULL;
}

static void on_exit_print(void)
{
    host_burn(0.01);
    puts("atexit: runs");
}

static void on_exit_first(void)
{
    puts("atexit: runs last");
}

__attribute__((destructor)) static void on_unload(void)
{
    if (host_is_ending)
        puts("destructor: runs");
}

static void prepare_to_end(void)
{
    atexit(on_exit_first);
    atexit(on_exit_print);
    host_is_ending = true;
    host_thread(burn_for_ever, NULL);
    serve_and_sample();
    if (host_sampled)
        pthread_join(host_thread(host_burn_until_ticks, NULL), NULL);
    host_burn(atof(host_arguments[0]));
    puts("now it ends");
    fflush(stdout);
}

static void end_in_thread(void (*end)(void))
{
    prepare_to_end();
    host_thread(end_from_here, (void *)(uintptr_t)end);
    for (;;)
        work_units(1);
}

static void call_exit(void)
{
    exit(EXIT_CODE);
}

static void call__exit(void)
{
    _exit(EXIT_CODE);
}

static void call_quick_exit(void)
{
    quick_exit(EXIT_CODE);
}

static void kill_by_term(void)
{
    kill(getpid(), SIGTERM);
}

static void kill_by_kill(void)
{
    kill(getpid(), SIGKILL);
}

static void touch_nothing(void)
{
    static volatile int *volatile nowhere = (volatile int *)8;
    *nowhere = 1;
}

static void divide(void)
{
    raise(SIGFPE);
}

static void write_to_nobody(void)
{
    int fds[2];
    signal(SIGPIPE, SIG_DFL);
    if (pipe(fds) != 0 || close(fds[0]) != 0 || write(fds[1], "x", 1) == 1)
        perror("pipe");
}

static void exit_in_handler(int sig)
{
    (void)sig;
    exit(EXIT_CODE);
}

static void raise_and_exit(void)
{
    signal(SIGUSR2, exit_in_handler);
    raise(SIGUSR2);
}

static void leave_at_once(void)
{
    fflush(stdout);
    _exit(EXIT_CODE + 1);
}

static void exit_in_atexit(void)
{
    atexit(leave_at_once);
    exit(EXIT_CODE);
}

static void ends_exit(void)
{
    end_in_thread(call_exit);
}

static void ends__exit(void)
{
    end_in_thread(call__exit);
}

static void ends_quick_exit(void)
{
    end_in_thread(call_quick_exit);
}

static void ends_abort(void)
{
    end_in_thread(abort);
}

static void ends_term(void)
{
    end_in_thread(kill_by_term);
}

static void ends_kill(void)
{
    end_in_thread(kill_by_kill);
}

static void ends_segv(void)
{
    end_in_thread(touch_nothing);
}

static void ends_fpe(void)
{
    end_in_thread(divide);
}

static void ends_pipe(void)
{
    end_in_thread(write_to_nobody);
}

static void ends_in_handler(void)
{
    end_in_thread(raise_and_exit);
}

static void ends_in_atexit(void)
{
    end_in_thread(exit_in_atexit);
}

static void ends_by_return(void)
{
    prepare_to_end();
}

static void *exit_later(void *arg)
{
    host_burn(0.1);
    exit(EXIT_CODE);
    return arg;
}

/* The others run on. */
static void main_leaves(void)
{
    prepare_to_end();
    host_thread(exit_later, NULL);
    pthread_exit(NULL);
}

/* The last one to go ends the process. */
static void *leave_later(void *arg)
{
    host_burn(0.05);
    return arg;
}

static void all_leave(void)
{
    host_sample();
    atexit(on_exit_print);
    for (int i = 0; i < 3; i++)
        pthread_detach(host_thread(leave_later, NULL));
    pthread_exit(NULL);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"children", exits},
        {"exec", becomes_another},
        {"return", ends_by_return},
        {"exit", ends_exit},
        {"_exit", ends__exit},
        {"quick_exit", ends_quick_exit},
        {"abort", ends_abort},
        {"SIGTERM", ends_term},
        {"SIGKILL", ends_kill},
        {"SIGSEGV", ends_segv},
        {"SIGFPE", ends_fpe},
        {"SIGPIPE", ends_pipe},
        {"handler", ends_in_handler},
        {"atexit", ends_in_atexit},
        {"main_leaves", main_leaves},
        {"all_leave", all_leave},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
