#include "api/run.h"

#include "api/quiet.h"

#include "base/atfork.h"
#include "base/descriptor.h"
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
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the writer finds its two files. */
#define WRITER_DUMP   3
#define WRITER_OUTPUT 4

/* A thread that ends the process while another one is writing waits for it. Naming a large program takes some seconds.
 */
#define WRITE_PATIENCE_NS INT64_C(60000000000)

enum writer_failure { WRITER_NO_DUMP = 90, WRITER_NO_OUTPUT, WRITER_NO_MEMORY, WRITER_NOT_THERE = HELPER_NOT_THERE };

static struct cprof_run run;
static char writer_path[PATH_MAX];
static char output_path[PATH_MAX]; /* %p filled in */
static struct descriptor output = DESCRIPTOR_NONE;
static struct capture *capture;
static bool adding; /* the file holds what this process did before */

enum { FREE, WRITING };
static _Atomic uint32_t writing;

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
static bool expand_output(const char *pattern)
{
    size_t n = 0;
    for (; *pattern && n + 16 < sizeof output_path; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'p')
            n += (size_t)sprintf(output_path + n, "%d", getpid()), pattern++;
        else
            output_path[n++] = *pattern, pattern += pattern[0] == '%' && pattern[1] == '%';
    }
    output_path[n] = '\0';
    return !*pattern;
}

/* --- at the end ------------------------------------------------------------------------------------------------- */

/* Everything but out and stderr is closed first: there may be no number left, and what the host has open is none of the
 * writer's. Where the kernel has no close_range the writer inherits it, to no effect. */
static bool arrange_descriptors(int out)
{
    if (out > STDERR_FILENO) {
        close_range(STDERR_FILENO + 1, (unsigned)out - 1, 0);
        close_range((unsigned)out + 1, UINT_MAX, 0);
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
    }
    int null_in = open("/dev/null", O_RDWR), null_out = open("/dev/null", O_RDWR);
    return null_in >= 0 && null_out >= 0;
}

static int open_output(void)
{
    if (descriptor_intact(&output))
        return output.fd;
    return open(output_path, O_RDWR | O_CREAT | O_NOCTTY, 0666);
}

/* In the helper. */
static int dump_and_write(void *arg)
{
    const int64_t *host_ns = arg;
    int out = open_output();
    if (out < 0 || !arrange_descriptors(out))
        return WRITER_NO_OUTPUT;
    int dump = memfd_create("cprof-dump", 0);
    if (dump < 0)
        return WRITER_NO_MEMORY;
    if (!capture_dump(capture, dump, *host_ns))
        return WRITER_NO_DUMP;
    int high = fcntl(out, F_DUPFD, WRITER_OUTPUT + 1);
    if ((dump != WRITER_DUMP && dup2(dump, WRITER_DUMP) < 0) || high < 0 || dup2(high, WRITER_OUTPUT) < 0)
        return WRITER_NO_OUTPUT;
    char link[32] = "/proc/", log[PATH_MAX + 16] = "CPROF_LOG=";
    snprintf(link, sizeof link, "/proc/%d/exe", getppid());
    if (say_remembered())
        strncat(log, say_remembered(), PATH_MAX - 1);
    const char *argv[] = {CPROF_WRITER_NAME, adding ? "add" : "write", link, output_path, NULL}, *envp[] = {log, NULL};
    return helper_execute(writer_path, argv, envp);
}

/* A writer that ran has said itself what went wrong. */
static void say_failure(int result)
{
    const char *why = NULL;
    switch (result) {
    case 0: return;
    case WRITER_NO_DUMP: why = "what was sampled could not be read"; break;
    case WRITER_NO_OUTPUT: why = "the file cannot be opened any more"; break;
    case WRITER_NO_MEMORY: why = "no memory"; break;
    case WRITER_NOT_THERE: why = CPROF_WRITER_NAME " cannot be started"; break;
    default:
        if (result > 0 && result < 128)
            return;
        why = result < 0 ? strerror(-result) : "the writer was killed";
    }
    say("no profile in ", output_path, ": ", why, NULL);
}

static void write_profile(void)
{
    uint32_t was = FREE;
    if (!atomic_compare_exchange_strong(&writing, &was, WRITING)) {
        lock_wait_word(&writing, WRITING, WRITE_PATIENCE_NS);
        return;
    }
    if (capture) {
        int64_t host_ns = cpu_host_ns();
        int result = helper_run(dump_and_write, &host_ns);
        say_failure(result);
        adding = adding || result == 0; /* should exec fail: what comes from now on */
    }
    atomic_store(&writing, FREE);
    lock_wake_word(&writing);
}

/* What follows exit(). Registered first, so it runs last: the host's own exit handlers are in the profile. */
static void at_exit(void)
{
    if (hooks_are_for_here())
        write_profile();
}

static void go_quiet(void)
{
    if (capture) {
        write_profile();
        struct capture *c = capture;
        capture = NULL;
        capture_cancel(c);
    }
    if (!quiet_go())
        say("the program restricts its system calls (seccomp) while a profile is being taken", NULL);
}

static const struct hook_events events = {.ending = write_profile, .secluding = go_quiet};

/* --- at the start ----------------------------------------------------------------------------------------------- */

static enum status start_recording(struct reason *why)
{
    if (!expand_output(run.output))
        return status_because(why, STATUS_INVALID, "the name of the file is too long");
    int fd = open(output_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (adding ? 0 : O_TRUNC), 0666);
    if (fd < 0)
        return status_because(why, STATUS_SYSTEM, "%s", strerror(errno));
    output = descriptor_lift(fd);
    return capture_start((uint32_t)run.hz, &capture, why);
}

static void start_serving(void)
{
    struct reason why = {0};
    char bound[256];
    if (server_start(run.http, &why) != STATUS_OK || server_address(bound, sizeof bound) != STATUS_OK)
        say("not serving on ", run.http, ": ", why.text, NULL);
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
    if (run.http)
        start_serving();
}

/* The parent's recording is the parent's. A child that is followed begins its own. */
static void after_fork_child(void)
{
    capture = NULL;
    adding = false;
    atomic_store(&writing, FREE);
    descriptor_close(&output);
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
    adding = run.generation > 0;
    find_writer();
    atfork_register(&fork_hooks);
    got_never();
    hooks_start(next, &events);
    if (run.hz)
        cpu_set_hz((uint32_t)run.hz);
    start();
    if (run.output) {
        signals_catch_fatal();
        atexit(at_exit);
        at_quick_exit(at_exit);
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
