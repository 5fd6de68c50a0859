/* Works three quarters of each cycle of CPU time in `three` and the rest in `one`, over and over: argv[1] ms a cycle,
 * argv[2] seconds of CPU, argv[3] Hz, argv[4] the profile. Prints what it spent in each. */
#include <cprof.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "work.h"

#define CHUNK 30000 /* turns between two looks at the clock, which are the kernel's time: some 50 us */

/* Two functions that are the same would be made one. */
__attribute__((noinline)) static void three(double end)
{
    while (work_thread_seconds() < end)
        for (volatile int i = 0; i < CHUNK; i++)
            ;
    __asm__ volatile("# three");
}

__attribute__((noinline)) static void one(double end)
{
    while (work_thread_seconds() < end)
        for (volatile int i = 0; i < CHUNK; i++)
            ;
    __asm__ volatile("# one");
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    double cycle = atof(argv[1]) / 1000, spent[2] = {0, 0};
    int fd = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (cprof_cpu_start(fd, atoi(argv[3])) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    double begin = work_thread_seconds(), end = begin + atof(argv[2]);
    while (begin < end) {
        three(begin + 0.75 * cycle);
        double middle = work_thread_seconds();
        one(begin + cycle);
        double now = work_thread_seconds();
        spent[0] += middle - begin;
        spent[1] += now - middle;
        begin = now > begin + 1.5 * cycle ? now : begin + cycle;
    }
    printf("three %.6f\none %.6f\n", spent[0], spent[1]);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
