#include "api/run.h"

#include "api/outside.h"
#include "api/quiet.h"

#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/lock.h"
#include "base/say.h"
#include "base/thread.h"
#include "encode/capture.h"
#include "encode/undump.h"
#include "hook/environment.h"
#include "hook/exec.h"
#include "hook/got.h"
#include "hook/hooks.h"
#include "hook/signals.h"
#include "http/server.h"
#include "sampler/cpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the writer finds its two files. */
#define WRITER_DUMP   3
#define WRITER_OUTPUT 4

/* Who ends the process waits for the profile to be written. Naming a large program takes some seconds. */
#define WRITE_PATIENCE_NS INT64_C(60000000000)

#define END_PATIENCE_NS INT64_C(2000000000)

#define DEFAULT_PORT 6060 /* of the address "1" */
#define PORTS_TRIED  100  /* by a child whose parent has the port that was asked for */

enum writer_failure {
    WRITER_NO_OUTPUT = 89,
    WRITER_NO_DUMP,
    WRITER_NO_DESCRIPTOR,
    WRITER_NOT_THERE = HELPER_NOT_THERE
};

static struct cprof_run run;
static char writer_path[PATH_MAX];
static char output_path[PATH_MAX]; /* %p filled in */
static struct capture *capture;
static bool adding; /* the file holds what this process did before */
static bool begun;  /* it is there, and is not to be emptied */

/* The thread that writes, and what is asked of it. It holds the file in a descriptor table of its own: the host neither
 * sees the file among its own nor closes it, and may since have changed its root or its user. */
enum { NOBODY, IDLE, ASKED, DONE };
static _Atomic uint32_t writer_state; /* of that thread */
static _Atomic pid_t ending;          /* the thread that asked */
static int writer_output;             /* in its table; -1: why is in writer_errno */
static int writer_errno;
static char failure[512]; /* what went wrong with the last request */

/* The writer lies beside the core. */
static void find_writer(void)
{
    Dl_info self;
    const char *slash;
    if (!dladdr((void *)(uintptr_t)&find_writer, &self) || !(slash = strrchr(self.dli_fname, '/')) ||
        snprintf(writer_path, sizeof writer_path, "%.*s/%s", (int)(slash - self.dli_fname), self.dli_fname,
                 CPROF_WRITER_NAME) >= (int)sizeof writer_path)
        writer_path[0] = '\0';
}

/* %p is the process id, %% a percent sign. */
static bool expand(const char *pattern, char *to, size_t room)
{
    size_t n = 0;
    for (; *pattern && n + 16 < room; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'p')
            n += (size_t)sprintf(to + n, "%d", getpid()), pattern++;
        else
            to[n++] = *pattern, pattern += pattern[0] == '%' && pattern[1] == '%';
    }
    to[n] = '\0';
    return !*pattern;
}

/* --- at the end ------------------------------------------------------------------------------------------------- */

/* In the helper, which has a copy of the writing thread's table: the output, and a file for the writer's words. */
static bool arrange_descriptors(int dump, int words)
{
    int d = fcntl(dump, F_DUPFD, WRITER_OUTPUT + 1), o = fcntl(writer_output, F_DUPFD, WRITER_OUTPUT + 1),
        w = fcntl(words, F_DUPFD, WRITER_OUTPUT + 1);
    return d >= 0 && o >= 0 && w >= 0 && dup2(w, STDERR_FILENO) >= 0 && dup2(d, WRITER_DUMP) >= 0 &&
           dup2(o, WRITER_OUTPUT) >= 0;
}

struct writing {
    int words;
    int64_t host_ns; /* asked in the process itself: the helper has a clock of its own */
};

static int dump_and_write(void *arg)
{
    const struct writing *w = arg;
    char link[32];
    if (writer_output < 0)
        return WRITER_NO_OUTPUT;
    int dump = memfd_create("cprof-dump", MFD_CLOEXEC);
    if (dump < 0)
        return WRITER_NO_DESCRIPTOR;
    if (!capture_dump(capture, dump, w->host_ns))
        return WRITER_NO_DUMP;
    if (!arrange_descriptors(dump, w->words))
        return WRITER_NO_DESCRIPTOR;
    snprintf(link, sizeof link, "/proc/%d/exe", getppid());
    const char *argv[] = {CPROF_WRITER_NAME, adding ? "add" : "write", link, NULL}, *envp[] = {NULL};
    return helper_execute(writer_path, argv, envp);
}

static void explain(int result, int words)
{
    const char *why = NULL;
    ssize_t n = result ? pread(words, failure, sizeof failure - 1, 0) : 0;
    failure[n > 0 ? n : 0] = '\0';
    if (!result || n > 0)
        return;
    switch (result) {
    case WRITER_NO_OUTPUT: why = strerror(writer_errno); break;
    case WRITER_NO_DUMP: why = "what was sampled could not be read"; break;
    case WRITER_NO_DESCRIPTOR: why = "no memory or descriptor left"; break;
    case WRITER_NOT_THERE: why = CPROF_WRITER_NAME " cannot be started"; break;
    default: why = result < 0 ? strerror(-result) : CPROF_WRITER_NAME " was killed";
    }
    snprintf(failure, sizeof failure, "%s", why);
}

static void write_once(void)
{
    struct writing w = {.words = memfd_create("cprof-words", MFD_CLOEXEC), .host_ns = cpu_host_ns()};
    int result = helper_run(dump_and_write, &w);
    explain(result, w.words);
    adding = adding || result == 0; /* should exec fail: what comes from now on */
    close(w.words);
}

static void writer_thread(void *unused)
{
    (void)unused;
    uint32_t state;
    thread_own_descriptors();
    writer_output = open(output_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (begun ? 0 : O_TRUNC), 0666);
    begun = true;
    writer_errno = errno;
    while (capture && (state = atomic_load(&writer_state)) != NOBODY) {
        if (state == ASKED) {
            write_once();
            atomic_store(&writer_state, DONE);
            lock_wake_word(&writer_state);
        } else {
            lock_wait_word(&writer_state, state, -1);
        }
    }
}

/* Whoever asked goes on to end the process as it had to: another thread that was about to would perhaps be quicker, and
 * the process end by its status. Until the exec of who asked has failed; not for long, since PID 1 of a namespace may
 * survive its signal. */
static void let_end(void)
{
    if (atomic_load(&ending) != gettid() && atomic_load(&writer_state) == DONE)
        lock_wait_word(&writer_state, DONE, END_PATIENCE_NS);
}

/* Of several threads that end the process at once one asks, and all wait. Not a second time while the first goes on to
 * end the process: that would leave a writer behind which is just about to replace the file. True for who asked.
 * Signals wait too: those of a busy host would end the waiting early. */
static bool write_profile(void)
{
    uint32_t idle = IDLE, asked = ASKED;
    if (!capture)
        return false;
    uint64_t before = mask_change(SIG_SETMASK, MASK_ALL);
    bool mine = atomic_compare_exchange_strong(&writer_state, &idle, ASKED);
    if (mine) {
        atomic_store(&ending, gettid());
        lock_wake_word(&writer_state);
    }
    int64_t end = clock_mono_ns() + WRITE_PATIENCE_NS, left = WRITE_PATIENCE_NS;
    for (; left > 0 && atomic_load(&writer_state) == ASKED; left = end - clock_mono_ns())
        lock_wait_word(&writer_state, ASKED, left);
    atomic_compare_exchange_strong(&writer_state, &asked, DONE); /* nobody asks more of it */
    if (mine && failure[0])
        say("no profile in ", output_path, ": ", failure, NULL);
    let_end();
    mask_change(SIG_SETMASK, before);
    return mine;
}

/* exec has failed: what comes from now on is to be written too. */
static void write_again(void)
{
    uint32_t done = DONE;
    if (atomic_compare_exchange_strong(&writer_state, &done, IDLE))
        lock_wake_word(&writer_state);
}

/* Another thread that calls exit() meanwhile takes what handlers are left, and ends the process when there is none: so
 * one is put back before writing takes its time. A spare one covers the moment in between. More would need a second
 * block of libc's table, which such threads free under each other. */
#define SPARE_HANDLERS 2

static bool is_written(void)
{
    uint32_t state = atomic_load(&writer_state);
    return !capture || (state != IDLE && state != ASKED) || !hooks_are_for_here();
}

/* What follows exit(). Registered first, so it runs last: the host's own exit handlers are in the profile. */
static void at_exit(void)
{
    if (is_written())
        return;
    atexit(at_exit);
    write_profile();
}

static void at_quick_end(void)
{
    if (is_written())
        return;
    at_quick_exit(at_quick_end);
    write_profile();
}

static enum status start_writer(struct reason *why)
{
    atomic_store(&writer_state, IDLE);
    return thread_start("cprof-run", writer_thread, NULL, why);
}

static void go_quiet(void)
{
    write_profile();
    struct capture *c = capture;
    capture = NULL;
    if (c)
        capture_cancel(c);
    lock_wake_word(&writer_state);
    if (!quiet_go())
        say("the program restricts its system calls (seccomp) while a profile is being taken", NULL);
}

static void rest(void)
{
    if (capture) {
        atomic_store(&writer_state, NOBODY);
        lock_wake_word(&writer_state);
    }
    quiet_rest();
}

static void go_on(void)
{
    struct reason why = {0};
    quiet_resume();
    if (capture && start_writer(&why) != STATUS_OK) {
        atomic_store(&writer_state, NOBODY); /* who ends the process would wait for it */
        say("no profile in ", output_path, ": ", why.text, NULL);
    }
}

static const struct hook_events events = {.ending = write_profile,
                                          .not_ended = write_again,
                                          .secluding = go_quiet,
                                          .blocking = cpu_thread_blocks,
                                          .unblocked = cpu_thread_unblocked,
                                          .resting = rest,
                                          .rested = go_on};

/* --- at the start ----------------------------------------------------------------------------------------------- */

static enum status start_recording(struct reason *why)
{
    if (!expand(run.output, output_path, sizeof output_path))
        return status_because(why, STATUS_INVALID, "the name of the file is too long");
    enum status status = capture_start((uint32_t)run.hz, &capture, why);
    if (status)
        return status;
    status = start_writer(why);
    if (status) {
        capture_cancel(capture);
        capture = NULL;
    }
    return status;
}

/* A child asks for the address that its parent serves on, and goes up from there. */
static enum status serve_on_next_port(struct reason *why)
{
    const char *colon = strrchr(run.serve.http, ':'), *digits = colon ? colon + 1 : run.serve.http;
    int port = strcmp(run.serve.http, "1") == 0 ? DEFAULT_PORT : atoi(digits), host_n = (int)(digits - run.serve.http);
    enum status status = STATUS_IN_USE;
    for (int more = 1; status == STATUS_IN_USE && more <= PORTS_TRIED && port + more <= 65535; more++) {
        char next[PATH_MAX];
        snprintf(next, sizeof next, "%.*s%d", host_n, run.serve.http, port + more);
        status = outside_serve(&run.serve, next, why);
    }
    return status;
}

static enum status serve(struct reason *why)
{
    char address[PATH_MAX];
    bool has_port = strncmp(run.serve.http, "unix:", 5) != 0;
    bool fits = expand(run.serve.http, address, sizeof address);
    enum status status = outside_serve(&run.serve, has_port || !fits ? run.serve.http : address, why);
    return status == STATUS_IN_USE && run.is_child && has_port ? serve_on_next_port(why) : status;
}

static void start_serving(void)
{
    struct reason why = {0};
    char bound[256];
    if (serve(&why) != STATUS_OK || server_address(SERVER_OUTSIDE, bound, sizeof bound) != STATUS_OK)
        say("not serving: ", why.text, NULL);
    else if (strncmp(bound, "unix:", 5) == 0)
        say("serving ", bound, NULL);
    else
        say("serving http://", bound, "/debug/pprof/", NULL);
}

static void start(void)
{
    struct reason why = {0};
    environment_keep(run.environment, run.stub, run.generation);
    exec_profile(true, run.follow);
    if (run.output && start_recording(&why) != STATUS_OK)
        say("no profile in ", output_path, ": ", why.text, NULL);
    if (run.serve.http)
        start_serving();
}

/* The parent's recording is the parent's. A child that is followed begins its own. */
static void after_fork_child(void)
{
    capture = NULL;
    adding = begun = false;
    atomic_store(&writer_state, NOBODY);
    if (!run.follow) {
        exec_profile(false, false);
        return;
    }
    run.generation = 0;
    run.is_child = 1;
    start();
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_API, .after_child = after_fork_child};

void run_start(const struct cprof_run *wanted, const struct hook_functions *next)
{
    run = *wanted;
    say_remember(secure_getenv("CPROF_LOG"));
    adding = begun = run.generation > 0;
    find_writer();
    atfork_register(&fork_hooks);
    got_never();
    hooks_start(next, &events);
    if (run.hz)
        cpu_set_hz((uint32_t)run.hz);
    start();
    if (run.output) {
        signals_catch_fatal();
        for (int i = 0; i < SPARE_HANDLERS; i++) {
            atexit(at_exit);
            at_quick_exit(at_quick_end);
        }
    }
}

/* --- in the writer ---------------------------------------------------------------------------------------------- */

static enum status read_file(int fd, struct buf *into, struct reason *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return STATUS_OK; /* a pipe: what went through it is not to be had again */
    char *room = st.st_size ? buf_reserve(into, (size_t)st.st_size) : NULL;
    if (st.st_size && !room)
        return STATUS_NOMEM;
    ssize_t got = st.st_size ? pread(fd, room, (size_t)st.st_size, 0) : 0;
    if (got < 0)
        return status_because(why, STATUS_SYSTEM, "cannot read what is there already: %s", strerror(errno));
    into->len += (size_t)got;
    return STATUS_OK;
}

static enum status write_file(int fd, const struct buf *bytes, struct reason *why)
{
    struct stat st;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (regular && (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0))
        return status_because(why, STATUS_SYSTEM, "%s", strerror(errno));
    for (size_t done = 0; done < bytes->len;) {
        ssize_t n = write(fd, bytes->data + done, bytes->len - done);
        if (n < 0 && errno != EINTR)
            return status_because(why, STATUS_SYSTEM, "%s", strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return STATUS_OK;
}

enum status run_write_dump(int dump, int out, int add, const char *program_link, struct reason *why)
{
    struct buf before = {0}, bytes = {0};
    enum status status = add ? read_file(out, &before, why) : STATUS_OK;
    if (!status)
        status = undump(dump, program_link, before.data, before.len, &bytes, why);
    if (!status)
        status = bytes.failed ? STATUS_NOMEM : write_file(out, &bytes, why);
    buf_fini(&before);
    buf_fini(&bytes);
    return status;
}
