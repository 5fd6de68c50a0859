/*
 * http/registry through the server: what its file says and when it is there, and that nothing of anybody's is touched
 * where the folder is not this user's own. Each case in a child, whose exit status is the number of failures there.
 */
#define _GNU_SOURCE
#include "check.h"
#include "tables.h"

#include "http/limits.h"
#include "http/registry.h"
#include "http/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* What a child leaves to its exit is no leak of the parent's. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

static char top[64];    /* of one case */
static char folder[80]; /* where its entries are expected */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *entry_of(pid_t pid)
{
    static char path[120];
    snprintf(path, sizeof path, "%s/%d", folder, pid);
    return path;
}

static char text[8192];

static bool read_entry(pid_t pid)
{
    FILE *f = fopen(entry_of(pid), "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return f != NULL;
}

static bool wait_for_entry(const char *part)
{
    int64_t end = now_ms() + PATIENCE_MS;
    while (!(read_entry(getpid()) && strstr(text, part)) && now_ms() < end)
        usleep(1000);
    bool found = strstr(text, part) != NULL;
    if (!found)
        fprintf(stderr, "no \"%s\" in \"%s\"\n", part, text);
    return found;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

static const char *serve(enum server_side side, const char *address)
{
    static char got[2][ADDRESS_ROOM];
    struct reason why = {0};
    CHECK_INT(server_start(side, address, &why), STATUS_OK);
    CHECK_INT(server_address(side, got[side], ADDRESS_ROOM), STATUS_OK);
    return got[side];
}

/* The writer is done: with the server it has to be. */
static void stop(void)
{
    server_stop(SERVER_INSIDE);
    server_stop(SERVER_OUTSIDE);
}

static void expect_line(const char *name, const char *value)
{
    char line[400];
    snprintf(line, sizeof line, "\n%s: %s\n", name, value);
    if (!strstr(text, line))
        fprintf(stderr, "no \"%s\" in \"%s\"\n", line, text);
    CHECK(strstr(text, line));
}

/* ---- cases ---- */

static void what_it_says(void)
{
    char pid[20], started[40] = "", stat[2000] = "", *p = stat;
    registry_set_version("9.8");
    mode_t mask = umask(0777); /* the strangest umask leaves it readable to its owner */
    const char *in = serve(SERVER_INSIDE, ":0");
    CHECK(wait_for_entry(in));
    umask(mask);
    struct stat st;
    CHECK(lstat(folder, &st) == 0 && st.st_mode == (S_IFDIR | 0700));
    CHECK(lstat(entry_of(getpid()), &st) == 0 && st.st_mode == (S_IFREG | 0600));
    FILE *f = fopen("/proc/self/stat", "re");
    CHECK(fgets(stat, sizeof stat, f));
    fclose(f);
    p = strrchr(stat, ')') + 2;
    for (int i = 3; i < 22; i++)
        p = strchr(p, ' ') + 1;
    snprintf(started, sizeof started, "%.*s", (int)strcspn(p, " "), p);
    snprintf(pid, sizeof pid, "%d", getpid());
    CHECK(strncmp(text, "cprof 1\n", 8) == 0);
    expect_line("pid", pid);
    expect_line("start", started);
    expect_line("version", "9.8");
    expect_line("address", in);
    CHECK(strstr(text, "\ncommand: ") && strstr(text, "with\\x20blank\\x0aline\\x5c "));

    const char *out = serve(SERVER_OUTSIDE, ":0");
    CHECK(wait_for_entry(out));
    expect_line("address", in);
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    int64_t end = now_ms() + PATIENCE_MS;
    while ((!read_entry(getpid()) || strstr(text, in)) && now_ms() < end)
        usleep(1000);
    CHECK(!strstr(text, in));
    expect_line("address", out);
    CHECK_INT(entries(folder), 1);
    stop();
    CHECK_INT(entries(folder), 0);
}

#define SPARE 8

/* The host may be using any number, at any moment: with none left to it, and so none to be seen, an entry is written
 * all the same. */
static void no_descriptor_of_the_hosts(void)
{
    http_limits.look_ns = 1;
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    int lowest = 0;
    while (lowest < SPARE) /* what is below is enough for the writer, and taken here */
        lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit none;
    getrlimit(RLIMIT_NOFILE, &none);
    none.rlim_cur = (rlim_t)lowest + 1;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    unlink(entry_of(getpid()));
    int64_t end = now_ms() + PATIENCE_MS;
    while (!exists(entry_of(getpid())) && now_ms() < end)
        usleep(1000);
    CHECK(exists(entry_of(getpid())));
    stop();
}

static void child_of_a_fork(void)
{
    const char *in = serve(SERVER_INSIDE, ":0");
    pid_t parent = getpid();
    CHECK(wait_for_entry(in));
    usleep(1000);
    pid_t pid = fork();
    if (pid == 0) {
        chmod(folder, 0770); /* an entry of its own it cannot have then */
        serve(SERVER_INSIDE, ":0");
        stop();
        CHECK(read_entry(parent));
        chmod(folder, 0700);
        CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
        stop();
        CHECK(read_entry(parent) && !read_entry(getpid()));
        fflush(NULL);
        exit(check_failures);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
    CHECK(read_entry(getpid()));
    CHECK_INT(entries(folder), 1);
    stop();
    CHECK_INT(entries(folder), 0);
}

static void left_to_exit(void)
{
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
}

/* Entries of killed processes would otherwise pile up where nobody ever asks for a list. */
static void sweeps(void)
{
    mkdir(folder, 0700);
    pid_t pid = fork();
    if (pid == 0) {
        wait_for_entry(serve(SERVER_INSIDE, ":0"));
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    CHECK(read_entry(pid));
    char path[120];
    snprintf(path, sizeof path, "%s/.%d~", folder, pid);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(path, sizeof path, "%s/%d", folder, getppid());
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(path, sizeof path, "%s/readme", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    stop();
    CHECK(!read_entry(pid) && read_entry(getppid()) && exists(path));
    CHECK_INT(entries(folder), 2);
}

static void swept_away(void)
{
    http_limits.look_ns = 1;
    const char *in = serve(SERVER_INSIDE, ":0");
    for (int i = 0; i < 2; i++) {
        CHECK(wait_for_entry(in));
        unlink(entry_of(getpid()));
        if (i)
            rmdir(folder);
    }
    CHECK(wait_for_entry(in));
    stop();
    CHECK_INT(entries(folder), 0);
}

static void with_another_root(void)
{
    if (geteuid())
        return;
    http_limits.look_ns = 1;
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    char jail[80];
    snprintf(jail, sizeof jail, "%s/jail", top);
    CHECK(mkdir(jail, 0700) == 0 && chroot(jail) == 0 && chdir("/") == 0 && mkdir("/tmp", 01777) == 0);
    struct timespec turns = {.tv_sec = 1, .tv_nsec = 200000000}; /* of half a second */
    nanosleep(&turns, NULL);
    stop();
    CHECK_INT(entries("/tmp"), 0);
}

static void another_user_now(void)
{
    if (geteuid())
        return;
    http_limits.look_ns = 1;
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    CHECK_INT(setresuid(65533, 65533, 65533), 0);
    snprintf(folder, sizeof folder, "/tmp/cprof-65533");
    CHECK(wait_for_entry("address"));
    stop();
    CHECK(!exists(entry_of(getpid())));
    rmdir(folder);
}

static void make_old(const char *path)
{
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    CHECK_INT(utimensat(AT_FDCWD, path, old, 0), 0);
}

static bool is_old(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_mtim.tv_sec == 1000;
}

/* In all of these: serves as ever, and has not even for a moment put anything there. */
static void serves_unlisted(void)
{
    char path[120];
    make_old(folder);
    make_old(top);
    CHECK(strchr(serve(SERVER_INSIDE, ":0"), ':'));
    stop(); /* has waited for the writer */
    CHECK(is_old(folder) && is_old(top));
    snprintf(path, sizeof path, "/tmp/cprof-%u/%d", geteuid(), getpid());
    CHECK(!exists(path));
}

static void folder_is_a_symlink(void)
{
    char elsewhere[80];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", top);
    CHECK(mkdir(elsewhere, 0700) == 0 && symlink("elsewhere", folder) == 0);
    serves_unlisted();
}

static void folder_is_open_to_others(void)
{
    CHECK(mkdir(folder, 0700) == 0 && chmod(folder, 0770) == 0);
    serves_unlisted();
}

static void folder_is_a_file(void)
{
    close(open(folder, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    serves_unlisted();
}

static void folder_is_anothers(void)
{
    if (geteuid())
        return;
    CHECK(mkdir(folder, 0700) == 0 && chown(folder, 65534, 65534) == 0);
    serves_unlisted();
}

static void nowhere_to_write(void)
{
    CHECK(mkdir(folder, 0500) == 0);
    make_old(folder);
    make_old(top);
    if (geteuid() == 0) /* root may write anywhere */
        CHECK(chown(top, 65533, 65533) == 0 && chown(folder, 65533, 65533) == 0 &&
              syscall(SYS_setresuid, 65533, 65533, 65533) == 0);
    CHECK(strchr(serve(SERVER_INSIDE, ":0"), ':'));
    stop();
    CHECK(is_old(folder) && is_old(top));
}

/* A folder of somebody else in the variable, as after su, is as good as none. */
static void runtime_dir_is_anothers(void)
{
    if (geteuid())
        return;
    CHECK_INT(chown(top, 65534, 65534), 0);
    snprintf(folder, sizeof folder, "/tmp/cprof-%u", geteuid());
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    stop();
    CHECK(!exists(entry_of(getpid())));
}

/* A process's file that has been replaced is not ours to remove. */
static void replaced(void)
{
    CHECK(wait_for_entry(serve(SERVER_INSIDE, ":0")));
    unlink(entry_of(getpid()));
    close(open(entry_of(getpid()), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    stop();
    CHECK(exists(entry_of(getpid())));
}

/* What is left in the folder when body's process has ended. */
static int run_once(const char *name, void (*body)(void), const char *runtime_dir)
{
    snprintf(top, sizeof top, "/tmp/test_registry_XXXXXX");
    CHECK(mkdtemp(top));
    snprintf(folder, sizeof folder, "%s/cprof", top);
    if (strcmp(runtime_dir, "own") == 0)
        setenv("XDG_RUNTIME_DIR", top, 1);
    else
        unsetenv("XDG_RUNTIME_DIR");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(120);
        check_failures = 0;
        body();
        fflush(NULL);
        exit(check_failures > 100 ? 100 : check_failures);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    if (status)
        fprintf(stderr, "  in %s\n", name);
    CHECK_INT(status, 0);
    int left = entries(folder);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", top);
    CHECK_INT(system(command), 0);
    return left;
}

/* exit() waits for the entry to go for 5 ms and no longer: on a busy machine it may stay, though not time after time.
 */
#define EXITS 20

static void run(const char *name, void (*body)(void), const char *runtime_dir)
{
    int left = run_once(name, body, runtime_dir);
    for (int i = 1; body == left_to_exit && left && i < EXITS; i++)
        left = run_once(name, body, runtime_dir);
    if (body == left_to_exit)
        CHECK_INT(left, 0);
}

#define RUN(body) run(#body, body, "own")

int main(int argc, char **argv)
{
#ifdef __SANITIZE_THREAD__
    (void)argc, (void)argv, (void)run;
    puts("skipped: ThreadSanitizer knows one table of descriptors, and its reports of others crash in another root");
    return 0;
#endif
    /* known command line, whatever the test was called with */
    if (argc == 1) {
        execl("/proc/self/exe", argv[0], "with blank\nline\\", "", NULL);
        return 1;
    }
    RUN(what_it_says);
    RUN(no_descriptor_of_the_hosts);
    RUN(child_of_a_fork);
    RUN(left_to_exit);
    RUN(sweeps);
    RUN(swept_away);
    RUN(with_another_root);
    RUN(another_user_now);
    RUN(folder_is_a_symlink);
    RUN(folder_is_open_to_others);
    RUN(folder_is_a_file);
    RUN(folder_is_anothers);
    RUN(runtime_dir_is_anothers);
    RUN(replaced);
    RUN(nowhere_to_write);
    return check_done();
}
