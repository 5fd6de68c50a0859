#include "sampler/tasks.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What getdents64 writes; glibc does not export the struct without its own renaming. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* getdents64 into a buffer of our own: opendir would allocate 32 KiB each time. */
bool tasks_list(struct vec_u32 *tids)
{
    _Alignas(struct entry) char chunk[8192];
    bool good = false;
    tids->n = 0;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        long got = syscall(SYS_getdents64, fd, chunk, sizeof chunk);
        good = got == 0;
        if (got <= 0)
            break;
        for (long at = 0; at < got;) {
            const struct entry *e = (const struct entry *)(chunk + at);
            if (isdigit((unsigned char)e->name[0]))
                vec_u32_push(tids, (uint32_t)strtoul(e->name, NULL, 10));
            at += e->length;
        }
    }
    close(fd);
    if (tids->n)
        qsort(tids->at, tids->n, sizeof *tids->at, by_number);
    return good;
}
