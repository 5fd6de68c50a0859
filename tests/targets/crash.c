/*
 * Linked into every target: a fatal signal first writes the native stack to stderr, where the harness finds it, and
 * then ends the process as it would have ended.
 */
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_fatal(int sig)
{
    void *stack[64];
    const char *head = "native stack of the crash:\n";
    if (write(STDERR_FILENO, head, strlen(head)) > 0)
        backtrace_symbols_fd(stack, backtrace(stack, 64), STDERR_FILENO);
    raise(sig);
}

__attribute__((constructor)) static void install(void)
{
    void *warm[1];
    int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    if (getenv("BARE_SIGNALS"))
        return;
    backtrace(warm, 1); /* loads libgcc_s now rather than inside the handler */
    for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaction(fatal[i], &sa, NULL);
}
