#include "symbol/perfmap.h"

#include "sampler/procself.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES    65536u /* read at once; a longer line counts for nothing */
#define MAX_STEPS_BACK 4096u  /* pieces of code that begin before an address and may reach it */

/* Without the "0x" that some write. */
static const char *read_hex(const char *at, const char *end, uint64_t *value)
{
    if (end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x')
        at += 2;
    const char *first = at;
    *value = 0;
    for (; at < end && at - first < 16; at++) {
        unsigned char c = (unsigned char)*at, letter = c | 0x20;
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if (letter >= 'a' && letter <= 'f')
            *value = *value << 4 | (uint64_t)(letter - 'a' + 10);
        else
            break;
    }
    return at > first && at < end && *at == ' ' ? at + 1 : NULL;
}

/* Where the name begins in a line that ends at end; NULL where the line is none of ours. */
static const char *read_line(const char *line, const char *end, struct perfmap_code *c)
{
    uint64_t size = 0;
    const char *at = read_hex(line, end, &c->start);
    at = at ? read_hex(at, end, &size) : NULL;
    if (!at || at == end || size == 0 || size > UINT32_MAX || size > UINT64_MAX - c->start)
        return NULL;
    c->size = (uint32_t)size;
    return at;
}

/* In a full table the older half makes room: what is listed later is what still runs. */
static bool make_room(struct perfmap *p)
{
    if (p->n == PERFMAP_MAX_CODES) {
        p->n /= 2;
        memmove(p->codes, p->codes + p->n, p->n * sizeof *p->codes);
    }
    if (p->n < p->cap)
        return true;
    size_t cap = p->cap ? p->cap * 2 : 1024;
    struct perfmap_code *grown = realloc(p->codes, cap * sizeof *grown);
    if (!grown)
        return false;
    p->codes = grown;
    p->cap = cap;
    return true;
}

/* All lines in the block that are complete; how many bytes those were. at: of the block, behind p->first. */
static size_t take_lines(struct perfmap *p, const char *block, size_t n, size_t at)
{
    size_t done = 0;
    for (const char *end; (end = memchr(block + done, '\n', n - done)); done = (size_t)(end - block) + 1) {
        struct perfmap_code c = {.line_at = (uint32_t)(at + done)};
        if (read_line(block + done, end, &c) && make_room(p))
            p->codes[p->n++] = c;
    }
    return done;
}

static void take_file(struct perfmap *p, size_t size)
{
    char *block = malloc(BLOCK_BYTES);
    bool skips = p->first > 0; /* the line that was cut, or is too long */
    for (size_t at = 0; block && at < size;) {
        size_t want = size - at < BLOCK_BYTES ? size - at : BLOCK_BYTES;
        ssize_t n = pread(p->fd, block, want, p->first + (off_t)at);
        if (n <= 0)
            break;
        const char *line = skips ? memchr(block, '\n', (size_t)n) : block;
        size_t before = line ? (size_t)(line - block) + skips : (size_t)n;
        skips = skips && !line;
        size_t done = before + take_lines(p, block + before, (size_t)n - before, at + before);
        if (done == 0 && (size_t)n < BLOCK_BYTES)
            break;
        skips |= done == 0;
        at += done ? done : (size_t)n;
    }
    free(block);
}

static int compare(const void *left, const void *right)
{
    const struct perfmap_code *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->line_at > b->line_at) - (a->line_at < b->line_at);
}

void perfmap_read(struct perfmap *p, int fd)
{
    struct stat st;
    *p = (struct perfmap){.fd = fd};
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0)) {
        size_t size = (size_t)st.st_size;
        if (size > PERFMAP_MAX_BYTES)
            p->first = (off_t)(size - PERFMAP_MAX_BYTES);
        take_file(p, size - (size_t)p->first);
    }
    if (p->n == 0) {
        close(fd);
        free(p->codes);
        *p = (struct perfmap){0};
        return;
    }
    qsort(p->codes, p->n, sizeof *p->codes, compare);
    uint64_t reach = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct perfmap_code *c = &p->codes[i];
        reach = c->start + c->size > reach ? c->start + c->size : reach;
        c->reach = reach;
    }
}

/* What was last written before the process began is of another that had its number: in a container each has 1. */
static bool is_of_another_life(int fd, pid_t pid)
{
    const double slack_s = 2;
    struct stat st;
    struct timespec now;
    double lives_s = procself_age_seconds(pid);
    if (lives_s <= 0 || fstat(fd, &st) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    return difftime(now.tv_sec, st.st_mtim.tv_sec) > lives_s + slack_s;
}

void perfmap_open(struct perfmap *p, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    *p = (struct perfmap){0};
    if (fd >= 0 && is_of_another_life(fd, pid))
        close(fd);
    else if (fd >= 0)
        perfmap_read(p, fd);
}

void perfmap_close(struct perfmap *p)
{
    if (p->n)
        close(p->fd);
    free(p->codes);
    *p = (struct perfmap){0};
}

/* Once more from the file, which may have been written anew meanwhile. */
static bool name_of(const struct perfmap *p, const struct perfmap_code *c, char name[PERFMAP_MAX_NAME])
{
    char line[PERFMAP_MAX_NAME + 40];
    struct perfmap_code again;
    ssize_t n = pread(p->fd, line, sizeof line, p->first + c->line_at);
    const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
    if (!end && n == (ssize_t)sizeof line)
        end = line + n;
    const char *from = end ? read_line(line, end, &again) : NULL;
    if (!from || again.start != c->start || again.size != c->size)
        return false;
    size_t len = (size_t)(end - from) < PERFMAP_MAX_NAME ? (size_t)(end - from) : PERFMAP_MAX_NAME - 1;
    memcpy(name, from, len);
    name[len] = '\0';
    return true;
}

bool perfmap_find(const struct perfmap *p, uint64_t address, char name[PERFMAP_MAX_NAME])
{
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->codes[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct perfmap_code *latest = NULL;
    for (size_t steps = 0; low > 0 && p->codes[low - 1].reach > address && steps < MAX_STEPS_BACK; steps++) {
        const struct perfmap_code *c = &p->codes[--low];
        if (address - c->start < c->size && (!latest || c->line_at > latest->line_at))
            latest = c;
    }
    return latest && name_of(p, latest, name);
}
