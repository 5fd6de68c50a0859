/* Spends its CPU time in the code that the kernel maps into every process: vdso FILE. */
#include <cprof.h>
#include <fcntl.h>
#include <time.h>

int main(int argc, char **argv)
{
    struct timespec t = {0};
    if (argc < 2 || cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), 250) != 0)
        return 1;
    clock_t end = clock() + CLOCKS_PER_SEC;
    while (clock() < end)
        for (int i = 0; i < 10000; i++)
            clock_gettime(CLOCK_MONOTONIC, &t);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
