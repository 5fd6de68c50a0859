/*
 * While something of cprof's is on, the program's calls of some functions are redirected: through the PLT, through
 * slots of the GOT, through stored pointers. Says for each of the three where it leads before, meanwhile and after.
 */
#include <cprof.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "work.h"

typedef int action_function(int sig, const struct sigaction *action, struct sigaction *old);

static action_function *volatile stored = sigaction;                /* a relocation of .data */
static action_function *const volatile stored_for_good = sigaction; /* of .data.rel.ro */
static action_function *the_real_one;

static volatile sig_atomic_t got_theirs;

static void on_prof(int sig)
{
    (void)sig;
    got_theirs = 1;
}

static const char *leads_to(action_function *volatile f)
{
    return f == the_real_one ? "libc" : "cprof";
}

/* The address that the compiler takes comes from the GOT. */
static void say_where(const char *when)
{
    action_function *volatile from_got = sigaction;
    printf("%s: stored %s, read-only %s, slot %s\n", when, leads_to(stored), leads_to(stored_for_good),
           leads_to(from_got));
}

/* In a program that is not position-independent a pointer to the function is the address of its own PLT entry, which
 * never changes; its calls are redirected behind that. */
static int only_calls;

static void wait_until(int redirected)
{
    if (only_calls) {
        for (double end = work_thread_seconds() + 0.3; work_thread_seconds() < end;)
            work_units(1);
        return;
    }
    while ((stored != the_real_one) != redirected)
        work_units(1);
}

static void say_handler(const char *what, const struct sigaction *a)
{
    printf("%s: %s\n", what,
           a->sa_handler == SIG_DFL   ? "default"
           : a->sa_handler == SIG_IGN ? "ignored"
           : a->sa_handler == on_prof ? "the program's"
                                      : "somebody else's");
}

static void set(void (*handler)(int), const char *what)
{
    struct sigaction action = {.sa_handler = handler}, old;
    sigaction(SIGPROF, &action, &old);
    say_handler(what, &old);
}

static void *look_at_it(void *arg)
{
    return dlsym(RTLD_DEFAULT, arg);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    only_calls = argc > 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    the_real_one = (action_function *)look_at_it("sigaction");
    say_where("before");
    for (int round = 0; round < 2; round++) {
        int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (cprof_cpu_start(fd, 1000) != 0)
            return 3;
        close(fd);
        wait_until(1);
        say_where("meanwhile");
        set(SIG_DFL, "at first");
        for (double end = work_thread_seconds() + 0.3; work_thread_seconds() < end;)
            work_units(1); /* ticks arrive, and the default of SIGPROF is not applied to them */
        set(on_prof, "after the default was set");
        stored(SIGPROF, NULL, &(struct sigaction){0});
        got_theirs = 0;
        raise(SIGPROF);
        printf("its own signal: %s\n", got_theirs ? "arrived" : "lost");
        signal(SIGPROF, SIG_IGN);
        set(SIG_DFL, "after it was ignored");
        if (cprof_cpu_stop() != 0)
            return 4;
        wait_until(0);
        say_where("after");
    }
    return 0;
}
