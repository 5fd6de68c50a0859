/* The one line: where it goes, that it is one write, and that the host gets no signal for it. */
#include "base/say.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

/* What say() writes to stderr. */
static const char *said(const char *a, const char *b)
{
    static char text[4096];
    int ends[2], err = dup(STDERR_FILENO);
    if (err < 0 || pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        abort();
    close(ends[1]);
    errno = 77;
    say(a, b, NULL);
    CHECK_INT(errno, 77);
    dup2(err, STDERR_FILENO);
    close(err);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    return text;
}

static void lines_go_to_stderr(void)
{
    char large[3000];
    say_remember(NULL);
    CHECK_STR(said("a", " b"), "cprof: a b\n");
    say_remember("");
    CHECK_STR(said("a", NULL), "cprof: a\n");
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    const char *line = said("a", large);
    CHECK_INT(strlen(line), 1024);
    CHECK_INT(line[1023], '\n');
}

static void lines_go_where_the_variable_says(void)
{
    char name[] = "/tmp/test_say.XXXXXX", text[64] = "";
    int fd = mkstemp(name);
    say_remember("off");
    CHECK_STR(said("a", NULL), "");
    say_remember(name);
    CHECK_STR(said("a", NULL), "");
    CHECK_STR(said("b", NULL), "");
    CHECK_INT(read(fd, text, sizeof text - 1), 18);
    CHECK_STR(text, "cprof: a\ncprof: b\n");
    say_remember("/no/such/folder/log");
    CHECK_STR(said("a", NULL), "cprof: a\n");
    say_remember(NULL);
    close(fd);
    unlink(name);
}

/* In a child, whose stderr and limits may be spoilt. */
static void nobody_is_signalled(void)
{
    int ends[2], err = dup(STDERR_FILENO);
    char name[] = "/tmp/test_say.XXXXXX";
    struct rlimit before, none = {0};
    signal(SIGPIPE, on_signal);
    signal(SIGXFSZ, on_signal);
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        abort();
    close(ends[0]);
    close(ends[1]);
    say("to nobody", NULL);
    int file = mkstemp(name);
    dup2(file, STDERR_FILENO);
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);
    say("into a file at its limit", NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    dup2(err, STDERR_FILENO);
    close(err);
    close(file);
    unlink(name);
    CHECK_INT(signals, 0);
}

/* The host blocks SIGPIPE and has one pending: it is still its own afterwards. */
static void a_signal_of_the_hosts_stays(void)
{
    sigset_t pipe_only, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe_only, NULL);
    raise(SIGPIPE);
    nobody_is_signalled();
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE));
    sigprocmask(SIG_UNBLOCK, &pipe_only, NULL);
    CHECK_INT(signals, 1);
}

/* In the background of a terminal that stops who writes there (stty tostop). Returns how often that was signalled. */
static int say_in_background(int terminal)
{
    struct sigaction counted = {.sa_handler = on_signal};
    setpgid(0, 0);
    sigaction(SIGTTOU, &counted, NULL);
    dup2(terminal, STDERR_FILENO);
    signals = 0;
    say("from behind", NULL);
    return (int)signals;
}

/* Its session has that terminal. */
static int in_session(const char *name)
{
    struct termios modes;
    int status;
    setsid();
    int terminal = open(name, O_RDWR | O_CLOEXEC);
    if (terminal < 0 || tcgetattr(terminal, &modes) != 0)
        return 101;
    modes.c_lflag |= TOSTOP;
    tcsetattr(terminal, TCSANOW, &modes);
    pid_t pid = fork();
    if (pid == 0)
        _exit(say_in_background(terminal));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 102;
}

static void a_program_in_the_background_is_not_stopped(void)
{
    char text[64] = "";
    int status = -1, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_session(ptsname(master)));
    CHECK(read(master, text, sizeof text - 1) > 0);
    CHECK_STR(text, "cprof: from behind\r\n");
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
    close(master);
}

int main(void)
{
    lines_go_to_stderr();
    lines_go_where_the_variable_says();
    nobody_is_signalled();
    a_signal_of_the_hosts_stays();
    a_program_in_the_background_is_not_stopped();
    return check_done();
}
