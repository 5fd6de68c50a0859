#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static enum status refused(const char *text, struct reason *why)
{
    switch (errno) {
    case EADDRINUSE: return status_because(why, STATUS_IN_USE, "%s is in use", text);
    case EACCES:
    case EPERM:
    case EROFS: return status_because(why, STATUS_DENIED, "cannot listen on %s: %s", text, status_errno(errno));
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENOENT:
    case ENOTDIR: return status_because(why, STATUS_ADDRESS, "cannot listen on %s: %s", text, status_errno(errno));
    }
    return status_because(why, STATUS_SYSTEM, "cannot listen on %s: %s", text, status_errno(errno));
}

/* ---- the file of a unix socket ---- */

static const char *path_of(const struct address *a)
{
    return ((const struct sockaddr_un *)&a->sa)->sun_path;
}

static bool is_file(const char *path, dev_t dev, ino_t ino)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* Does nobody listen behind it? A full backlog (EAGAIN) is somebody. */
static bool is_deserted(const struct address *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refuses = connect(fd, (const struct sockaddr *)&a->sa, a->len) && errno == ECONNREFUSED;
    close(fd);
    return refuses;
}

/* Another process may be doing the same: the file is moved aside and looked at again, so that what is removed is what
 * was found deserted. */
static bool take_away(const char *path, const struct stat *found)
{
    char aside[sizeof(struct sockaddr_un) + 16];
    snprintf(aside, sizeof aside, "%s.%d~", path, gettid());
    if (rename(path, aside))
        return errno == ENOENT;
    if (is_file(aside, found->st_dev, found->st_ino))
        return unlink(aside) == 0;
    renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE);
    return false;
}

/* After bind() found something there: makes room, or says why not. */
static enum status make_room(const struct address *a, const char *text, struct reason *why)
{
    struct stat st;
    if (lstat(path_of(a), &st))
        return errno == ENOENT ? STATUS_OK : refused(text, why);
    if (!S_ISSOCK(st.st_mode))
        return status_because(why, STATUS_ADDRESS, "%s is there already and is no socket", text);
    if (!is_deserted(a))
        return status_because(why, STATUS_IN_USE, "%s is in use", text);
    if (st.st_uid != geteuid())
        return status_because(why, STATUS_DENIED, "%s was left behind by another user", text);
    return take_away(path_of(a), &st) ? STATUS_OK : status_because(why, STATUS_IN_USE, "%s is in use", text);
}

/* The file gets the mode of the socket's own inode, less the umask: private from its first moment, and the process's
 * umask untouched. */
static enum status bind_unix(int fd, const struct address *a, const char *text, struct reason *why)
{
    const struct sockaddr *sa = (const struct sockaddr *)&a->sa;
    if (fchmod(fd, S_IRUSR | S_IWUSR))
        return refused(text, why);
    if (bind(fd, sa, a->len) == 0)
        return STATUS_OK;
    if (errno != EADDRINUSE)
        return refused(text, why);
    enum status s = make_room(a, text, why);
    return s ? s : bind(fd, sa, a->len) ? refused(text, why) : STATUS_OK;
}

static enum status know_file(const struct address *a, struct listener *l, struct reason *why)
{
    struct stat st;
    if (lstat(path_of(a), &st))
        return refused(l->text, why);
    l->file_dev = st.st_dev;
    l->file_ino = st.st_ino;
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return status_because(why, STATUS_DENIED, "cannot keep %s private", l->text);
    return STATUS_OK;
}

/* ---- both kinds ---- */

static enum status listen_unix(int fd, const struct address *a, struct listener *out, struct reason *why)
{
    enum status s = bind_unix(fd, a, out->text, why);
    if (!s)
        s = know_file(a, out, why);
    if (s)
        return s;
    if (listen(fd, BACKLOG))
        return refused(out->text, why);
    /* Before it listened, somebody who wanted the same path may have taken its file for deserted. */
    if (!is_file(path_of(a), out->file_dev, out->file_ino))
        return status_because(why, STATUS_IN_USE, "%s is in use", out->text);
    return STATUS_OK;
}

static enum status listen_tcp(int fd, struct address *a, struct listener *out, struct reason *why)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a->sa, a->len) || listen(fd, BACKLOG))
        return refused(out->text, why);
    if (getsockname(fd, (struct sockaddr *)&a->sa, &a->len))
        return status_because(why, STATUS_SYSTEM, "cannot read the address of a socket: %s", status_errno(errno));
    address_print(a, out->text);
    return STATUS_OK;
}

enum status listener_open(struct address *a, struct listener *out, struct reason *why)
{
    *out = (struct listener){.socket = DESCRIPTOR_NONE};
    address_print(a, out->text);
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refused(out->text, why);
    bool is_unix = a->sa.ss_family == AF_UNIX;
    enum status s = is_unix ? listen_unix(fd, a, out, why) : listen_tcp(fd, a, out, why);
    if (s) {
        listener_unlink(out);
        close(fd);
    } else {
        out->socket = descriptor_of(fd);
    }
    return s;
}

void listener_unlink(const struct listener *l)
{
    const char *path = l->text + strlen(ADDRESS_UNIX);
    if (l->file_ino && is_file(path, l->file_dev, l->file_ino))
        unlink(path);
}

void listener_close(struct listener *l)
{
    listener_unlink(l);
    l->file_ino = 0;
    descriptor_close(&l->socket);
}

void listener_after_fork_child(struct listener *l)
{
    l->file_ino = 0;
    descriptor_close(&l->socket);
}
