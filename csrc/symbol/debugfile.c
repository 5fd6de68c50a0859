#include "symbol/debugfile.h"

#include "symbol/elffile.h"
#include "symbol/modules.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define ROOT "/usr/lib/debug"

static bool has_crc(int fd, uint32_t want)
{
    unsigned char block[16384];
    uLong crc = crc32(0, NULL, 0);
    off_t at = 0;
    for (ssize_t n; (n = pread(fd, block, sizeof block, at)) > 0; at += n)
        crc = crc32(crc, block, (uInt)n);
    return at > 0 && crc == want;
}

static bool has_build_id(int fd, const struct debugfile_wanted *w)
{
    Elf *elf = elffile_look(fd);
    bool same = elf && module_has_build_id(elf, w->build_id, w->build_id_len);
    elf_end(elf);
    return same;
}

static bool is_same_file(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Takes path over. */
static int try_file(const struct debugfile_wanted *w, char *path, char **found)
{
    int fd = path ? module_open_file(path) : -1;
    if (fd >= 0 && !is_same_file(fd, w->beside) && (w->build_id_len ? has_build_id(fd, w) : has_crc(fd, w->crc))) {
        *found = path;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return -1;
}

/* NULL without memory. */
static char *join(const char *root, const char *dir, size_t dir_len, const char *middle, const char *name)
{
    char *path;
    return asprintf(&path, "%s%.*s%s%s", root, (int)dir_len, dir, middle, name) < 0 ? NULL : path;
}

static char *build_id_path(const struct debugfile_wanted *w)
{
    char hex[2 * MODULE_MAX_BUILD_ID + 1];
    const unsigned char *id = w->build_id;
    if (w->build_id_len < 2 || w->build_id_len > MODULE_MAX_BUILD_ID)
        return NULL;
    for (size_t i = 0; i < w->build_id_len; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    char *path;
    return asprintf(&path, ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2) < 0 ? NULL : path;
}

int debugfile_find(const struct debugfile_wanted *w, char **path)
{
    int fd = try_file(w, build_id_path(w), path);
    if (fd >= 0 || !w->name || !w->name[0])
        return fd;
    if (w->name[0] == '/')
        return try_file(w, strdup(w->name), path);
    const char *slash = strrchr(w->beside, '/');
    if (!slash)
        return -1;
    size_t dir_len = (size_t)(slash - w->beside);
    static const struct {
        const char *root, *middle;
    } places[] = {{"", "/"}, {"", "/.debug/"}, {ROOT, "/"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0] && fd < 0; i++)
        fd = try_file(w, join(places[i].root, w->beside, dir_len, places[i].middle, w->name), path);
    return fd;
}
