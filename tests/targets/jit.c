/* Makes code at run time, tells perf(1) of it in /tmp/perf-PID.map as runtimes do, and spends its CPU time there:
 * jit FILE [plain]. "plain" tells nobody. */
#include "work.h"

#include <cprof.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef long spin(long rounds);

#if defined(__x86_64__)
/* mov %rdi, %rax; 1: dec %rax; jnz 1b; ret */
static const unsigned char code[] = {0x48, 0x89, 0xf8, 0x48, 0xff, 0xc8, 0x75, 0xfb, 0xc3};
#elif defined(__aarch64__)
/* 1: subs x0, x0, #1; b.ne 1b; ret */
static const unsigned char code[] = {0x00, 0x04, 0x00, 0xf1, 0xe1, 0xff, 0xff, 0x54, 0xc0, 0x03, 0x5f, 0xd6};
#endif

__attribute__((noinline)) static void call_generated(spin *made, long rounds)
{
    work_sink = (uint32_t)made(rounds);
}

static void tell(const char *path, const unsigned char *page)
{
    FILE *map = fopen(path, "w");
    if (!map)
        return;
    fprintf(map, "%lx 1000 what was here before\n", (unsigned long)page);
    fprintf(map, "%lx 40 JS:*three times /tmp/a b.js:1:13\n", (unsigned long)page);
    fprintf(map, "%lx 40 once\n", (unsigned long)(page + 64));
    fprintf(map, "%lx 1000 torn", (unsigned long)page);
    fclose(map);
}

int main(int argc, char **argv)
{
    char path[64];
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argc < 2 || page == MAP_FAILED)
        return 1;
    memcpy(page, code, sizeof code);
    memcpy(page + 64, code, sizeof code);
    __builtin___clear_cache((char *)page, (char *)page + 4096);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    if (argc == 2)
        tell(path, page);
    if (cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), 250) != 0)
        return 1;
    while (work_thread_seconds() < 1.5) {
        call_generated((spin *)(void *)page, 300000);
        call_generated((spin *)(void *)(page + 64), 100000);
    }
    int stopped = cprof_cpu_stop();
    unlink(path);
    return stopped == 0 ? 0 : 1;
}
