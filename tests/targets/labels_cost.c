/*
 * What a push and its pop cost where the set has been seen before, in nanoseconds, the best of many goes; and what
 * there is in the process then. */
#include <cprof.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}

static int is_mapped(const char *name)
{
    char line[4096];
    int found = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        found |= strstr(line, name) != NULL;
    fclose(f);
    return found;
}

int main(void)
{
    const int n = 10000;
    double best = 1e9;
    cprof_labels_push("request", "outer");
    for (int go = 0; go < 200; go++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < n; i++) {
            cprof_labels_push("endpoint", "/users");
            cprof_labels_pop();
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        best = ns / n < best ? ns / n : best;
    }
    printf("%.1f\nthreads %d core %d\n", best, entries("/proc/self/task") - 2, is_mapped("libcprof_core"));
    return 0;
}
