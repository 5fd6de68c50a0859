#include "encode/dump.h"

#include "base/any/rawcall.h"
#include "base/labels.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAD_BYTES     4096u /* ELF header, program headers and build id lie on a file's first page */
#define MAX_VDSO_BYTES (1u << 20)
#define MAX_LINE       512 /* of maps: what stands before the path, and the path's first byte */

struct out {
    int fd;
    uint64_t at;
    bool failed;
    size_t n; /* in bytes, not yet written */
    char bytes[2048];
};

static void flush(struct out *o)
{
    if (o->n && pwrite(o->fd, o->bytes, o->n, (off_t)o->at) != (ssize_t)o->n)
        o->failed = true;
    o->at += o->n;
    o->n = 0;
}

static void put(struct out *o, const void *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t some = n - done < sizeof o->bytes - o->n ? n - done : sizeof o->bytes - o->n;
        memcpy(o->bytes + o->n, (const char *)from + done, some);
        o->n += some;
        done += some;
        if (o->n == sizeof o->bytes)
            flush(o);
    }
}

static void pad(struct out *o)
{
    static const char zeros[8];
    put(o, zeros, -(o->at + o->n) & 7);
}

static size_t label_bytes(const struct label *labels, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(labels[i].key) + strlen(labels[i].value) + 2;
    return bytes;
}

static enum status put_stack(void *arg, const struct stack *s)
{
    struct out *o = arg;
    struct label labels[LABELS_MAX_DEPTH];
    size_t n = labels_list(s->key.labels, labels);
    struct dump_stack d = {.flags = s->key.flags, .depth = s->depth, .label_bytes = (uint32_t)label_bytes(labels, n)};
    struct dump_part part = {.kind = DUMP_STACK, .bytes = sizeof d + s->depth * sizeof s->pc[0] + d.label_bytes};
    memcpy(d.weight, s->weight, sizeof d.weight);
    memcpy(d.thread, s->key.thread, sizeof d.thread);
    put(o, &part, sizeof part);
    put(o, &d, sizeof d);
    put(o, s->pc, s->depth * sizeof s->pc[0]);
    for (size_t i = 0; i < n; i++) {
        put(o, labels[i].key, strlen(labels[i].key) + 1);
        put(o, labels[i].value, strlen(labels[i].value) + 1);
    }
    pad(o);
    return o->failed ? STATUS_SYSTEM : STATUS_OK;
}

/* Its length is known only at its end: the part's head is written last. */
static void put_maps(struct out *o)
{
    flush(o);
    uint64_t head_at = o->at;
    struct dump_part part = {.kind = DUMP_MAPS};
    put(o, &part, sizeof part);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0; part.bytes += got > 0 ? (uint64_t)got : 0) {
        flush(o);
        got = read(fd, o->bytes, sizeof o->bytes);
        o->n = got > 0 ? (size_t)got : 0;
    }
    close(fd);
    pad(o);
    flush(o);
    if (!part.bytes || pwrite(o->fd, &part, sizeof part, (off_t)head_at) != sizeof part)
        o->failed = true;
}

/* From memory straight into the file: where it is not mapped any more, or its file was cut, that is an error and not a
 * signal, and the part is not counted. */
static void put_memory(struct out *o, uint64_t address, size_t n)
{
    struct dump_part part = {.kind = DUMP_MEMORY, .bytes = sizeof address + n};
    flush(o);
    off_t at = (off_t)(o->at + sizeof part + sizeof address);
    /* By number: a sanitizer's pwrite would look at what may not be there. */
    if (rawcall4(SYS_pwrite64, o->fd, (long)address, (long)n, at) != (long)n)
        return;
    put(o, &part, sizeof part);
    put(o, &address, sizeof address);
    flush(o);
    o->at += n;
    pad(o);
}

static uint64_t hex(const char **at)
{
    uint64_t value = 0;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* The beginning of a file, until one of its mappings turns out to run: what is only data is not looked at, let alone a
 * device. */
struct head {
    uint64_t start, n; /* n 0: none, or it is written */
    char path[MAX_LINE];
};

/* "start-end perms offset dev inode path", without sscanf, which is not for signal handlers. */
static void put_memory_of(struct out *o, const char *line, struct head *head)
{
    uint64_t start = hex(&line);
    if (*line++ != '-')
        return;
    uint64_t end = hex(&line);
    bool runs = strncmp(line + strcspn(line, "x"), "xp ", 3) == 0 || strncmp(line + strcspn(line, "x"), "xs ", 3) == 0;
    line += strcspn(line + (*line == ' '), " ") + 1; /* permissions */
    line += *line == ' ';
    uint64_t offset = hex(&line);
    const char *path = line + strcspn(line, "/[");
    if (strncmp(path, "[vdso]", 6) == 0 && end - start <= MAX_VDSO_BYTES)
        put_memory(o, start, end - start);
    if (*path == '/' && offset == 0) {
        *head = (struct head){.start = start, .n = end - start < HEAD_BYTES ? end - start : HEAD_BYTES};
        memcpy(head->path, path, strlen(path) + 1);
    }
    if (runs && head->n && strcmp(path, head->path) == 0) {
        put_memory(o, head->start, head->n);
        head->n = 0;
    }
}

static void put_heads(struct out *o)
{
    char line[MAX_LINE], chunk[1024];
    struct head head = {0};
    size_t n = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0;) {
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] != '\n') {
                line[n] = chunk[i];
                n += n < sizeof line - 1;
                continue;
            }
            line[n] = '\0';
            n = 0;
            put_memory_of(o, line, &head);
        }
    }
    close(fd);
}

bool dump_write(int fd, const struct cpu_facts *facts, const struct collect *collected)
{
    struct out o = {.fd = fd, .at = sizeof(struct dump_head)};
    stacktab_each(&collected->stacks, put_stack, &o);
    put_maps(&o);
    put_heads(&o);
    flush(&o);
    struct dump_head head = {.magic = DUMP_MAGIC, .bytes = o.at, .facts = *facts};
    memcpy(head.refused, collected->stacks.refused, sizeof head.refused);
    return !o.failed && pwrite(fd, &head, sizeof head, 0) == sizeof head;
}
