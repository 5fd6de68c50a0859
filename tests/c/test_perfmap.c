/* Maps of code made at run time, as runtimes write them, and as nobody should. */
#include "symbol/perfmap.h"

#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char name[PERFMAP_MAX_NAME];

static struct perfmap read_bytes(const void *text, size_t n)
{
    struct perfmap p;
    int fd = memfd_create("map", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    perfmap_read(&p, fd);
    return p;
}

static const char *at(const struct perfmap *p, uint64_t address)
{
    return perfmap_find(p, address, name) ? name : "none";
}

static void what_runtimes_write(void)
{
    static const char text[] = "7f0000001000 20 JS:~fib /tmp/a b.js:1:13\n"
                               "0x7f0000002000 0x10 py::<module>:/x.py\n"
                               "7F0000003000 1 TRACE_1::main.lua:3\n";
    struct perfmap p = read_bytes(text, strlen(text));
    CHECK_STR(at(&p, 0x7f0000001000), "JS:~fib /tmp/a b.js:1:13");
    CHECK_STR(at(&p, 0x7f000000101f), "JS:~fib /tmp/a b.js:1:13");
    CHECK_STR(at(&p, 0x7f0000001020), "none");
    CHECK_STR(at(&p, 0x7f0000000fff), "none");
    CHECK_STR(at(&p, 0x7f000000200f), "py::<module>:/x.py");
    CHECK_STR(at(&p, 0x7f0000003000), "TRACE_1::main.lua:3");
    CHECK_STR(at(&p, 0), "none");
    CHECK_STR(at(&p, UINT64_MAX), "none");
    perfmap_close(&p);
}

/* A garbage collector that moves code writes it down again, over what was there. */
static void later_lines_win(void)
{
    static const char text[] = "1000 100 long\n1000 10 first\n1000 10 second\n1080 80 tail\n2000 10 b\n1ff8 10 over\n";
    struct perfmap p = read_bytes(text, strlen(text));
    CHECK_STR(at(&p, 0x1008), "second");
    CHECK_STR(at(&p, 0x1010), "long");
    CHECK_STR(at(&p, 0x1080), "tail");
    CHECK_STR(at(&p, 0x2000), "over");
    CHECK_STR(at(&p, 0x2008), "b");
    perfmap_close(&p);
}

static void what_counts_for_nothing(void)
{
    static const char text[] = "1000 10 whole\n"
                               "\n \n1100\n1200 10\n1300 0 empty\n1400 xyz bad\nzz 10 bad\n1500 ffffffffff too long\n"
                               "ffffffffffffffff 10 beyond\n-1 10 negative\n"
                               "1600 10 ok\n"
                               "1700 10 torn";
    struct perfmap p = read_bytes(text, strlen(text));
    CHECK_INT(p.n, 2);
    CHECK_STR(at(&p, 0x1000), "whole");
    CHECK_STR(at(&p, 0x1600), "ok");
    CHECK_STR(at(&p, 0x1700), "none");
    perfmap_close(&p);
    p = read_bytes("", 0);
    CHECK_INT(p.n, 0);
    perfmap_close(&p);
}

/* Lines across the borders of blocks, a name beyond all bounds, and a line longer than is read at once. */
static void long_files(void)
{
    size_t n = 0, room = 8 << 20;
    char *text = malloc(room);
    for (unsigned i = 0; i < 40000; i++)
        n += (size_t)sprintf(text + n, "%x 10 function number %u\n", 0x100000 + i * 16, i);
    n += (size_t)sprintf(text + n, "50 8 ");
    memset(text + n, 'x', 3000);
    n += 3000;
    n += (size_t)sprintf(text + n, "\n60 8 ");
    memset(text + n, 'y', 200000);
    n += 200000;
    n += (size_t)sprintf(text + n, "\n70 8 behind it\n");
    struct perfmap p = read_bytes(text, n);
    for (unsigned i = 0; i < 40000; i += 7) {
        char want[64];
        snprintf(want, sizeof want, "function number %u", i);
        CHECK_STR(at(&p, 0x100000 + i * 16 + 15), want);
    }
    CHECK_INT(strlen(at(&p, 0x50)), PERFMAP_MAX_NAME - 1);
    CHECK_STR(at(&p, 0x60), "none");
    CHECK_STR(at(&p, 0x70), "behind it");
    perfmap_close(&p);
    free(text);
}

/* A runtime that never stops making code: the memory we take has a bound, and what was listed last is known. */
static void endless_files(void)
{
    int fd = memfd_create("map", MFD_CLOEXEC);
    FILE *out = fdopen(dup(fd), "w");
    unsigned n = 2500000;
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%x 10 a function with number %u\n", 0x100000 + i * 16, i);
    fclose(out);
    struct perfmap p;
    perfmap_read(&p, fd);
    CHECK(p.first > 0 && p.n <= PERFMAP_MAX_CODES && p.n >= PERFMAP_MAX_CODES / 2);
    char want[64];
    snprintf(want, sizeof want, "a function with number %u", n - 1);
    CHECK_STR(at(&p, 0x100000 + (n - 1) * 16), want);
    snprintf(want, sizeof want, "a function with number %u", n - 200000);
    CHECK_STR(at(&p, 0x100000 + (n - 200000) * 16), want);
    CHECK_STR(at(&p, 0x100000), "none");
    perfmap_close(&p);
}

/* The file is written anew while it is read: no name is better than a piece of another. */
static void rewritten_meanwhile(void)
{
    int fd = memfd_create("map", MFD_CLOEXEC);
    struct perfmap p;
    CHECK(write(fd, "1000 10 first\n2000 10 second\n", 29) == 29);
    perfmap_read(&p, fd);
    CHECK(pwrite(fd, "3000 10 third\n2000 10 secon!\n", 29, 0) == 29);
    CHECK_STR(at(&p, 0x1000), "none");
    CHECK_STR(at(&p, 0x2000), "secon!");
    CHECK(ftruncate(fd, 3) == 0);
    CHECK_STR(at(&p, 0x2000), "none");
    perfmap_close(&p);
}

/* /tmp is everybody's: a link, a pipe, a folder or another's file is not read. */
static void files_of_others(void)
{
    char path[64], other[80];
    struct perfmap p;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    snprintf(other, sizeof other, "%s.test", path);
    FILE *out = fopen(other, "w");
    CHECK(out && fputs("1000 10 f\n", out) >= 0 && fclose(out) == 0);
    CHECK(symlink(other, path) == 0);
    perfmap_open(&p, getpid());
    CHECK_INT(p.n, 0);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    perfmap_open(&p, getpid()); /* must not wait for a writer either */
    CHECK_INT(p.n, 0);
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    perfmap_open(&p, getpid());
    CHECK_INT(p.n, 0);
    CHECK(rmdir(path) == 0);
    perfmap_open(&p, getpid());
    CHECK_INT(p.n, 0);
    CHECK(rename(other, path) == 0);
    if (geteuid() == 0) {
        CHECK(chown(path, 65534, 65534) == 0);
        perfmap_open(&p, getpid());
        CHECK_INT(p.n, 0);
        CHECK(chown(path, 0, 0) == 0);
    }
    perfmap_open(&p, getpid());
    CHECK_STR(at(&p, 0x100f), "f");
    perfmap_close(&p);
    const struct timespec of_before[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    CHECK(utimensat(AT_FDCWD, path, of_before, 0) == 0);
    perfmap_open(&p, getpid()); /* an earlier process's of the same number */
    CHECK_INT(p.n, 0);
    unlink(path);
}

int main(void)
{
    what_runtimes_write();
    later_lines_win();
    what_counts_for_nothing();
    long_files();
    endless_files();
    rewritten_meanwhile();
    files_of_others();
    return check_done();
}
