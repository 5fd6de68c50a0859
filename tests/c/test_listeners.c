/*
 * The two sides of the server and its unix sockets: that each side gets what it would get alone, and that no file,
 * descriptor or connection of one is harmed by the other, by a fork or by a host that changes its mind.
 */
#define _GNU_SOURCE
#include "check.h"
#include "tables.h"

#include "http/address.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* In a child of a fork the library's memory is left behind on purpose. */
static bool in_a_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return in_a_child;
}

static char folder[] = "/tmp/test_listeners_XXXXXX";

/* ---- a client ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int dial(const char *address)
{
    struct address a;
    if (address_parse(address, &a, NULL))
        return -1;
    int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a.sa, a.len) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask_on(int fd, const char *path)
{
    char text[200];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return -1;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        return -2;
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return n > 9 ? atoi(text + 9) : 0; /* 0: hung up */
}

static int ask(const char *address)
{
    int fd = dial(address);
    if (fd < 0)
        return -1;
    int status = ask_on(fd, "/debug/pprof/cmdline");
    close(fd);
    return status;
}

static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, &c, 1, 0) <= 0;
}

/* ---- the server ---- */

static const char *open_side(enum server_side side, const char *address, char text[ADDRESS_ROOM])
{
    struct reason why = {0};
    CHECK_INT(server_start(side, address, &why), STATUS_OK);
    if (*why.text)
        fprintf(stderr, "%s: %s\n", address, why.text);
    CHECK_INT(server_address(side, text, ADDRESS_ROOM), STATUS_OK);
    return text;
}

static void refuses(enum server_side side, const char *address, enum status want, const char *part)
{
    struct reason why = {0};
    CHECK_INT(server_start(side, address, &why), want);
    if (!strstr(why.text, part))
        fprintf(stderr, "%s: \"%s\", want \"%s\"\n", address, why.text, part);
    CHECK(strstr(why.text, part));
}

static bool is_open(enum server_side side)
{
    char text[ADDRESS_ROOM];
    return server_address(side, text, sizeof text) == STATUS_OK;
}

static void stop_all(void)
{
    server_stop(SERVER_INSIDE);
    server_stop(SERVER_OUTSIDE);
}

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void wait_for_threads(int want)
{
    int64_t end = now_ms() + PATIENCE_MS;
    while (entries("/proc/self/task") - 2 != want && now_ms() < end)
        usleep(1000);
    CHECK_INT(entries("/proc/self/task") - 2, want);
}

/* Until every other thread sleeps: the allocators of the sanitizers do not survive a fork in the middle of a call. */
static void quiet(void)
{
    int64_t end = now_ms() + PATIENCE_MS;
    for (bool busy = true; busy && now_ms() < end; usleep(500)) {
        busy = false;
        DIR *d = opendir("/proc/self/task");
        for (struct dirent *e; (e = readdir(d));) {
            char path[300], line[400] = "";
            snprintf(path, sizeof path, "/proc/self/task/%s/stat", e->d_name);
            FILE *f = atoi(e->d_name) > 0 && atoi(e->d_name) != gettid() ? fopen(path, "re") : NULL;
            char *name_end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
            busy = busy || (name_end && name_end[2] != 'S');
            if (f)
                fclose(f);
        }
        closedir(d);
    }
}

/* In a child; how it ended, as waitpid tells. Ends by exit(), so that what is done there is done. */
static int in_child(void (*body)(void))
{
    fflush(NULL);
    quiet();
    pid_t pid = fork();
    if (pid == 0) {
        in_a_child = true;
        alarm(60);
        check_failures = 0;
        body();
        fflush(NULL);
        exit(check_failures > 100 ? 100 : check_failures);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* ---- two sides ---- */

/* A program that serves by itself and is run by `cprof run` would otherwise get BUSY, close what is not its own, or
 * be told another address. */
static void sides_are_strangers(void)
{
#ifdef __SANITIZE_THREAD__
    const int threads = 2; /* TSan's own */
#else
    const int threads = 1;
#endif
    int fds = entries("/proc/self/fd");
    for (int inside_first = 0; inside_first < 2; inside_first++) {
        char in[ADDRESS_ROOM], out[ADDRESS_ROOM], again[ADDRESS_ROOM];
        if (inside_first)
            open_side(SERVER_INSIDE, ":0", in);
        open_side(SERVER_OUTSIDE, ":0", out);
        if (!inside_first)
            CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
        if (!inside_first)
            open_side(SERVER_INSIDE, ":0", in);
        CHECK(strcmp(in, out) != 0);
        CHECK_INT(ask(in), 200);
        CHECK_INT(ask(out), 200);
        refuses(SERVER_INSIDE, ":0", STATUS_BUSY, in);
        CHECK_STR(open_side(SERVER_OUTSIDE, "127.0.0.1:1", again), out);
        refuses(SERVER_INSIDE, "nonsense", STATUS_ADDRESS, "no port");

        CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
        CHECK(!is_open(SERVER_INSIDE) && is_open(SERVER_OUTSIDE));
        CHECK_INT(dial(in), -1);
        CHECK_INT(ask(out), 200);
        CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
        CHECK_INT(ask(out), 200);
        /* its own port at once again, as without the other side */
        CHECK_STR(open_side(SERVER_INSIDE, in, again), in);
        CHECK_INT(ask(in), 200);
        CHECK_INT(server_stop(SERVER_OUTSIDE), STATUS_OK);
        CHECK_INT(dial(out), -1);
        CHECK_INT(ask(in), 200);
        CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
        wait_for_threads(threads);
        CHECK_INT(entries("/proc/self/fd"), fds);
    }
}

/* The program's own address, given to cprof too: the call that succeeds without us succeeds. */
static void one_address_for_both(void)
{
    char in[ADDRESS_ROOM], out[ADDRESS_ROOM];
    open_side(SERVER_OUTSIDE, ":0", out);
    CHECK_STR(open_side(SERVER_INSIDE, out, in), out);
    refuses(SERVER_INSIDE, ":0", STATUS_BUSY, out);
    CHECK_INT(ask(in), 200);
    int fd = dial(out);
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    CHECK_INT(ask_on(fd, "/debug/pprof/"), 200); /* came by what stays */
    close(fd);
    CHECK(!is_open(SERVER_INSIDE) && is_open(SERVER_OUTSIDE));
    CHECK_STR(open_side(SERVER_INSIDE, out, in), out);
    CHECK_INT(server_stop(SERVER_OUTSIDE), STATUS_OK);
    CHECK_INT(ask(in), 200);
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    CHECK_INT(dial(in), -1);

    open_side(SERVER_INSIDE, ":0", in);
    refuses(SERVER_OUTSIDE, in, STATUS_IN_USE, "is in use");
    CHECK(!is_open(SERVER_OUTSIDE));
    CHECK_INT(ask(in), 200);
    stop_all();
}

/* What came by one side goes with it, and nothing else does: waiting windows, idle connections. */
static void only_its_own_connections(void)
{
    char in[ADDRESS_ROOM], out[ADDRESS_ROOM];
    open_side(SERVER_INSIDE, ":0", in);
    open_side(SERVER_OUTSIDE, ":0", out);
    int theirs[3] = {dial(in), dial(in), dial(in)}, ours[3] = {dial(out), dial(out), dial(out)};
    static const char window[] = "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    CHECK_INT(ask_on(theirs[0], "/foo"), 404);
    CHECK_INT(ask_on(ours[0], "/foo"), 404);
    CHECK(send(theirs[1], window, sizeof window - 1, 0) > 0 && send(ours[1], window, sizeof window - 1, 0) > 0);
    CHECK_INT(ask(in), 200); /* whatever was sent before has been read */
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    for (int i = 0; i < 3; i++)
        CHECK(hung_up(theirs[i]));
    CHECK_INT(ask_on(ours[0], "/foo"), 404);
    CHECK_INT(ask_on(ours[2], "/foo"), 404);
    struct pollfd p = {.fd = ours[1], .events = POLLIN};
    char answer[64] = "";
    CHECK_INT(poll(&p, 1, PATIENCE_MS), 1);
    CHECK(recv(ours[1], answer, sizeof answer - 1, 0) > 12 && strncmp(answer, "HTTP/1.1 200", 12) == 0);
    for (int i = 0; i < 3; i++) {
        close(theirs[i]);
        close(ours[i]);
    }
    stop_all();
}

static _Atomic bool churning;
static _Atomic int unserved;

static void *keep_asking(void *address)
{
    while (churning)
        if (ask(address) != 200)
            unserved++;
    return NULL;
}

static void *keep_changing(void *unused)
{
    (void)unused;
    for (int i = 0; i < 60; i++) {
        char text[ADDRESS_ROOM];
        struct reason why;
        enum status s = server_start(SERVER_INSIDE, ":0", &why); /* BUSY where another one was first */
        if (s == STATUS_OK && server_address(SERVER_INSIDE, text, sizeof text) == STATUS_OK && i % 3)
            ask(text);
        server_stop(SERVER_INSIDE);
    }
    return NULL;
}

/* Listeners come and go under a loop that is working. */
static void churn(void)
{
    char out[ADDRESS_ROOM];
    int fds = entries("/proc/self/fd");
    open_side(SERVER_OUTSIDE, ":0", out);
    pthread_t asking, changing[3];
    churning = true;
    unserved = 0;
    pthread_create(&asking, NULL, keep_asking, out);
    for (int i = 0; i < 3; i++)
        pthread_create(&changing[i], NULL, keep_changing, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(changing[i], NULL);
    churning = false;
    pthread_join(asking, NULL);
    CHECK_INT(unserved, 0);
    stop_all();
    CHECK_INT(entries("/proc/self/fd"), fds);
}

/* ---- unix sockets ---- */

static const char *in_folder(const char *name)
{
    static char text[4][ADDRESS_ROOM];
    static unsigned turn;
    char *t = text[turn++ % 4];
    snprintf(t, ADDRESS_ROOM, "unix:%s/%s", folder, name);
    return t;
}

static bool exists(const char *address)
{
    struct stat st;
    return lstat(address + 5, &st) == 0;
}

static void a_private_file(void)
{
    static const mode_t masks[] = {0, 022, 077};
    for (size_t i = 0; i < 3; i++) {
        char text[ADDRESS_ROOM];
        struct stat st;
        umask(masks[i]);
        CHECK_STR(open_side(SERVER_INSIDE, in_folder("s"), text), in_folder("s"));
        CHECK_INT(umask(022), masks[i]);
        CHECK_INT(lstat(text + 5, &st), 0);
        CHECK_INT(st.st_mode, S_IFSOCK | 0600);
        CHECK_INT(ask(text), 200);
        CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
        CHECK(!exists(text));
    }
}

/* The host may change its directory; clients are told where the file is. */
static void relative_paths(void)
{
    char text[ADDRESS_ROOM], before[4096];
    CHECK(getcwd(before, sizeof before) && chdir(folder) == 0);
    CHECK_STR(open_side(SERVER_INSIDE, "unix:s", text), in_folder("s"));
    CHECK_INT(chdir(before), 0);
    CHECK_INT(ask(text), 200);
    stop_all();
    CHECK(!exists(in_folder("s")));
}

static void leave_behind(const char *address)
{
    struct address a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(address_parse(address, &a, NULL), STATUS_OK);
    CHECK_INT(bind(fd, (struct sockaddr *)&a.sa, a.len), 0);
    listen(fd, 1);
    close(fd);
}

static void what_is_there_already(void)
{
    char text[ADDRESS_ROOM], expected[ADDRESS_ROOM + 30];
    leave_behind(in_folder("s"));
    open_side(SERVER_OUTSIDE, in_folder("s"), text); /* nobody behind it: replaced */
    CHECK_INT(ask(text), 200);
    CHECK_INT(entries(folder), 3); /* ., .., and nothing moved aside */

    open_side(SERVER_INSIDE, text, text); /* one address for both */
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_OK);
    CHECK(exists(text));
    stop_all();

    open_side(SERVER_INSIDE, in_folder("s"), text);
    snprintf(expected, sizeof expected, "%s is in use", text);
    refuses(SERVER_OUTSIDE, text, STATUS_IN_USE, expected);
    CHECK_INT(ask(text), 200);
    stop_all();

    int fd = open(in_folder("file") + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    refuses(SERVER_INSIDE, in_folder("file"), STATUS_ADDRESS, "no socket");
    leave_behind(in_folder("real"));
    CHECK_INT(symlink("real", in_folder("link") + 5), 0);
    refuses(SERVER_INSIDE, in_folder("link"), STATUS_ADDRESS, "no socket");
    refuses(SERVER_INSIDE, in_folder("none/s"), STATUS_ADDRESS, "No such file");
    CHECK(exists(in_folder("file")) && exists(in_folder("link")) && exists(in_folder("real")));
    if (geteuid() == 0) {
        CHECK_INT(chown(in_folder("real") + 5, 65534, 65534), 0);
        refuses(SERVER_INSIDE, in_folder("real"), STATUS_DENIED, "another user");
        CHECK(exists(in_folder("real")));
    }
    unlink(in_folder("file") + 5);
    unlink(in_folder("link") + 5);
    unlink(in_folder("real") + 5);
    CHECK_INT(entries(folder), 2);
}

static void a_file_that_is_not_ours_any_more(void)
{
    char text[ADDRESS_ROOM];
    open_side(SERVER_INSIDE, in_folder("s"), text);
    unlink(text + 5);
    leave_behind(text);
    stop_all();
    CHECK(exists(text));
    unlink(text + 5);
}

static int bare_fds;

static void child_without_a_server(void)
{
    CHECK(!is_open(SERVER_INSIDE) && !is_open(SERVER_OUTSIDE));
    CHECK_INT(server_stop(SERVER_INSIDE), STATUS_NOT_RUNNING);
    CHECK_INT(entries("/proc/self/fd"), bare_fds);
}

static void child_with_its_own(void)
{
    char in[ADDRESS_ROOM];
    CHECK_INT(ask(open_side(SERVER_INSIDE, in_folder("child"), in)), 200);
}

/* A child must neither hold the parent's listeners nor remove its file; what it makes itself goes with its exit. */
static void forks(void)
{
    char in[ADDRESS_ROOM], out[ADDRESS_ROOM];
    bare_fds = entries("/proc/self/fd");
    open_side(SERVER_INSIDE, ":0", in);
    open_side(SERVER_OUTSIDE, in_folder("s"), out);
    CHECK_INT(in_child(child_without_a_server), 0);
    CHECK_INT(in_child(child_with_its_own), 0);
    CHECK(!exists(in_folder("child")));
    CHECK_INT(ask(out), 200);
    CHECK_INT(ask(in), 200);
    quiet();
#ifndef __SANITIZE_THREAD__ /* TSan follows no fork that passes it by */
    pid_t pid = _Fork();
    if (pid == 0) {
        bool clean = !is_open(SERVER_INSIDE) && !is_open(SERVER_OUTSIDE);
        _exit(!clean || server_stop(SERVER_OUTSIDE) != STATUS_NOT_RUNNING);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
#endif
    CHECK(exists(out));
    CHECK_INT(ask(out), 200);
    stop_all();
}

static void as_another_user(void)
{
    CHECK_INT(syscall(SYS_setresuid, 65533, 65533, 65533), 0);
    /* connected, and then not served: opening the file's mode is not enough */
    int fd = dial(in_folder("s"));
    CHECK(fd >= 0);
    CHECK(ask_on(fd, "/debug/pprof/") <= 0);
}

static void strangers(void)
{
    char text[ADDRESS_ROOM];
    if (geteuid() != 0)
        return;
    open_side(SERVER_INSIDE, in_folder("s"), text);
    CHECK_INT(chmod(text + 5, 0666), 0);
    CHECK_INT(chmod(folder, 0711), 0);
    CHECK_INT(in_child(as_another_user), 0);
    CHECK_INT(ask(text), 200);
    stop_all();
}

/* ---- hosts ---- */

static int listener_of(int domain)
{
    for (int fd = 3; fd < 1100; fd++) {
        int on = 0, of = 0;
        socklen_t n = sizeof on;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) || !on)
            continue;
        n = sizeof of;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &of, &n) == 0 && of == domain)
            return fd;
    }
    return -1;
}

/* There a child has a copy of each descriptor of ours: a listener that it kept would keep the port after its parent. */
static void forks_with_a_shared_table(void)
{
    refuse_close_range(true);
    forks();
}

/* A host gives the number of one listener to one of its own: its clients are not ours to take, and the other listener
 * may not go on as if nothing were. */
static void host_takes_one(void)
{
    refuse_close_range(true);
    char in[ADDRESS_ROOM], out[ADDRESS_ROOM];
    open_side(SERVER_INSIDE, ":0", in);
    open_side(SERVER_OUTSIDE, in_folder("s"), out);
    CHECK_INT(ask(out), 200);
    struct address theirs;
    int ours = listener_of(AF_UNIX), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(address_parse(in_folder("theirs"), &theirs, NULL), STATUS_OK);
    CHECK(bind(fd, (struct sockaddr *)&theirs.sa, theirs.len) == 0 && listen(fd, 5) == 0);
    CHECK_INT(syscall(SYS_dup3, fd, ours, 0), ours);
    int client = dial(in_folder("theirs"));
    int64_t end = now_ms() + PATIENCE_MS;
    while (is_open(SERVER_INSIDE) && now_ms() < end)
        usleep(1000);
    CHECK(!is_open(SERVER_INSIDE) && !is_open(SERVER_OUTSIDE));
    stop_all();
    CHECK(accept(ours, NULL, NULL) >= 0); /* neither closed nor emptied by us */
    CHECK(client >= 0 && exists(in_folder("theirs")) && !exists(in_folder("s")));
    unlink(in_folder("theirs") + 5);
    CHECK_INT(ask(open_side(SERVER_INSIDE, ":0", in)), 200);
}

int main(void)
{
    alarm(300);
    CHECK(mkdtemp(folder));
    char text[ADDRESS_ROOM];
    open_side(SERVER_INSIDE, ":0", text); /* what comes with the first thread has come */
    stop_all();
    sides_are_strangers();
    one_address_for_both();
    only_its_own_connections();
    churn();
    a_private_file();
    relative_paths();
    what_is_there_already();
    a_file_that_is_not_ours_any_more();
    forks();
    strangers();
    CHECK_INT(in_child(forks_with_a_shared_table), 0);
    CHECK_INT(in_child(host_takes_one), 0);
    CHECK_INT(rmdir(folder), 0);
    return check_done();
}
