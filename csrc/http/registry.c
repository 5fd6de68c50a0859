#include "http/registry.h"

#include "base/buf.h"
#include "base/lock.h"
#include "base/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND          INT64_C(1000000000)
#define PATIENCE_ROUNDS 10                  /* a wait may end early */
#define PATIENCE_NS     SECOND              /* a folder on a file system that hangs must not hang the host */
#define LEAVING_NS      (5 * SECOND / 1000) /* nobody waits for an entry when a process ends */
#define COMMAND_MAX     4096                /* bytes of a command line; what is longer ends in "..." */
#define SWEEP_MAX       10000               /* names of a folder that are looked at */
#define STAT_STARTED    22                  /* the field of /proc/PID/stat */

/* ---- set before the loop runs ---- */

static const char *version = "";
static char runtime_dir[PATH_MAX];

/* ---- the loop's ---- */

static struct registry_addresses wanted; /* the writer reads it while it is alive */
static bool is_written;                  /* as wanted says */
static int64_t looked_ns;

/* ---- the writer's while it is alive, then the loop's ---- */

static struct {
    char path[PATH_MAX];
    dev_t dev;
    ino_t ino;               /* 0: no file */
    struct timespec written; /* a number of an inode is soon used again */
    dev_t root_dev;          /* of "/" as it was: a process that has changed its root does not know the path any more */
    ino_t root_ino;
} entry;

static _Atomic bool leaving;   /* the process ends: what is being written is not wanted any more */
static _Atomic uint32_t alive; /* 1 from starting the writer to its last touch of this file */

void registry_set_version(const char *text)
{
    version = text;
}

void registry_prepare(void)
{
    const char *dir = secure_getenv("XDG_RUNTIME_DIR");
    runtime_dir[0] = '\0';
    if (dir && *dir == '/' && strlen(dir) < sizeof runtime_dir - 64)
        memcpy(runtime_dir, dir, strlen(dir) + 1);
}

/* ---- what the file says ---- */

static void read_whole(const char *path, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    char *room;
    ssize_t n = 0;
    while (out->len < max && (room = buf_reserve(out, max - out->len)) && (n = read(fd, room, max - out->len)) > 0)
        out->len += (size_t)n;
    close(fd);
}

/* The name in field 2 may hold anything, blanks and parentheses too. */
static void put_started(struct buf *out)
{
    struct buf stat = {0};
    read_whole("/proc/self/stat", 4096, &stat);
    buf_put(&stat, "", 1);
    char *p = stat.failed ? NULL : strrchr(stat.data, ')');
    for (int field = 2; p && field < STAT_STARTED; field++) {
        p = strchr(p, ' ');
        if (p)
            p++;
    }
    if (p)
        buf_printf(out, "start: %.*s\n", (int)strspn(p, "0123456789"), p);
    else
        out->failed = true;
    buf_fini(&stat);
}

static void put_command(struct buf *out)
{
    struct buf line = {0};
    read_whole("/proc/self/cmdline", COMMAND_MAX, &line);
    bool cut = line.len == COMMAND_MAX;
    if (line.len && line.data[line.len - 1] == '\0')
        line.len--;
    buf_puts(out, "command: ");
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if (c == '\0')
            buf_puts(out, " ");
        else if (c <= ' ' || c == '\\' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_put(out, &c, 1);
    }
    buf_puts(out, cut ? "...\n" : "\n");
    buf_fini(&line);
}

static void compose(struct buf *out)
{
    buf_printf(out, "cprof 1\npid: %d\n", getpid());
    put_started(out);
    buf_printf(out, "version: %s\n", version);
    for (size_t i = 0; i < wanted.n; i++)
        buf_printf(out, "address: %s\n", wanted.text[i]);
    put_command(out);
}

/* ---- where it lies ---- */

static bool is_owned_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static void find_folder(char path[PATH_MAX])
{
    if (*runtime_dir && is_owned_folder(runtime_dir))
        snprintf(path, PATH_MAX, "%.*s/cprof", PATH_MAX - 64, runtime_dir);
    else
        snprintf(path, PATH_MAX, "/tmp/cprof-%u", (unsigned)geteuid());
}

/* /tmp is everybody's: only a folder that nobody else could have made or can write to will do. */
static int open_folder(const char *path)
{
    struct stat st;
    bool made = mkdir(path, S_IRWXU) == 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    bool good = fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    if (good && made) /* the umask may have left us nothing */
        good = fchmod(fd, S_IRWXU) == 0;
    if (good)
        return fd;
    close(fd);
    return -1;
}

/* Whole or not at all: readers come at any time. */
static bool put_file(int folder, const char *name, const struct buf *text, struct stat *st)
{
    char temporary[40];
    snprintf(temporary, sizeof temporary, ".%s~", name);
    unlinkat(folder, temporary, 0);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return false;
    bool done = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write(fd, text->data, text->len) == (ssize_t)text->len &&
                fstat(fd, st) == 0;
    close(fd);
    done = done && renameat(folder, temporary, folder, name) == 0;
    if (!done)
        unlinkat(folder, temporary, 0);
    return done;
}

/* Removes what processes that no longer exist have left: nobody may ever ask for a list. */
static void sweep(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return;
    }
    struct dirent *e;
    for (int i = 0; i < SWEEP_MAX && (e = readdir(dir)); i++) {
        char *end;
        long pid = strtol(e->d_name + (e->d_name[0] == '.'), &end, 10);
        if (pid > 0 && pid <= INT_MAX && (*end == '\0' || *end == '~') && kill((pid_t)pid, 0) && errno == ESRCH)
            unlinkat(folder, e->d_name, 0);
    }
    closedir(dir);
}

/* ---- the writer ---- */

static void write_into(int folder, const char *path)
{
    struct buf text = {0};
    struct stat st, root;
    char name[16];
    compose(&text);
    snprintf(name, sizeof name, "%d", getpid());
    if (!text.failed && stat("/", &root) == 0 && put_file(folder, name, &text, &st)) {
        snprintf(entry.path, sizeof entry.path, "%.*s/%s", PATH_MAX - 32, path, name);
        entry.dev = st.st_dev;
        entry.ino = st.st_ino;
        entry.written = st.st_mtim;
        entry.root_dev = root.st_dev;
        entry.root_ino = root.st_ino;
    }
    buf_fini(&text);
}

static void writer(void *unused)
{
    (void)unused;
    static char path[PATH_MAX];
    thread_own_descriptors();
    find_folder(path);
    int folder = atomic_load(&leaving) ? -1 : open_folder(path);
    if (folder >= 0) {
        write_into(folder, path);
        if (!atomic_load(&leaving))
            sweep(folder);
        close(folder);
    }
    atomic_store(&alive, 0);
    lock_wake_word(&alive);
}

/* ---- the loop's thread ---- */

static bool writer_is_done(int64_t patience_ns)
{
    for (int i = 0; i < PATIENCE_ROUNDS && atomic_load(&alive); i++)
        lock_wait_word(&alive, 1, patience_ns / PATIENCE_ROUNDS);
    return !atomic_load(&alive);
}

static bool is_there(void)
{
    struct stat st;
    return entry.ino && lstat(entry.path, &st) == 0 && st.st_dev == entry.dev && st.st_ino == entry.ino &&
           st.st_mtim.tv_sec == entry.written.tv_sec && st.st_mtim.tv_nsec == entry.written.tv_nsec;
}

static bool has_same_root(void)
{
    struct stat st;
    return stat("/", &st) == 0 && st.st_dev == entry.root_dev && st.st_ino == entry.root_ino;
}

void registry_publish(const struct registry_addresses *a)
{
    /* While a writer reads wanted it must stay as it is; it is done in a moment, or never. */
    if (!writer_is_done(PATIENCE_NS))
        return;
    wanted = *a;
    is_written = false;
}

/* An entry that could not be written is not tried again: the folder will not do. One that this process cannot see any
 * more, since it is another user's by now, is written where the new user looks. */
static bool is_swept_away(void)
{
    return entry.ino && !is_there() && has_same_root();
}

void registry_tend(int64_t now_ns)
{
    if (!wanted.n || atomic_load(&alive) || (is_written && now_ns - looked_ns < http_limits.look_ns))
        return;
    bool due = !is_written || is_swept_away();
    looked_ns = now_ns;
    is_written = true;
    if (!due)
        return;
    atomic_store(&alive, 1);
    if (thread_start("cprof-register", writer, NULL, NULL))
        atomic_store(&alive, 0);
}

static void remove_file(void)
{
    if (is_there())
        unlink(entry.path);
}

void registry_leave(void)
{
    atomic_store(&leaving, true);
    if (writer_is_done(LEAVING_NS))
        remove_file();
}

void registry_withdraw(void)
{
    if (!writer_is_done(PATIENCE_NS))
        return;
    remove_file();
    entry.ino = 0;
    wanted.n = 0;
}

void registry_after_fork_child(void)
{
    entry.ino = 0;
    wanted.n = 0;
    atomic_store(&leaving, false);
    atomic_store(&alive, 0);
}
