/* Calls nothing of ours. Says what the process has of what a profiler would add, then works until stdin ends. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "work.h"

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void print_file_lines(const char *path, const char *needle)
{
    char line[512];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, needle))
            fputs(line, stdout);
    if (f)
        fclose(f);
}

int main(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char c;
    printf("threads %d\n", entries("/proc/self/task"));
    printf("descriptors %d\n", entries("/proc/self/fd"));
    print_file_lines("/proc/self/status", "SigCgt");
    print_file_lines("/proc/self/maps", "cprof");
    printf("ready\n");
    fflush(stdout);
    while (poll(&in, 1, 0) == 0 || (in.revents & POLLIN && fread(&c, 1, 1, stdin) == 1))
        work_units(1);
    printf("done\n");
    return 7;
}
