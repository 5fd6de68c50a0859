/* Serves /debug/vars and has wrk ask for it over 16 connections, argv[1] seconds long, with argv[2] threads that wake
 * now and then and argv[3] blocks on the heap, every other one freed. */
#include "tool.h"

#include <pthread.h>
#include <string.h>

static double cpu_s(void)
{
    return (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

static void *idle(void *unused)
{
    for (;;) {
        usleep(20000);
        free(malloc(100));
    }
    return unused;
}

static void fill(int threads, int blocks)
{
    pthread_t t;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t, NULL, idle, NULL))
            die("no thread");
    char **kept = calloc((size_t)blocks + 1, sizeof *kept);
    for (int i = 0; kept && i < blocks; i++)
        kept[i] = malloc(1100 + (size_t)i % 16 * 16);
    for (int i = 0; kept && i < blocks; i += 2)
        free(kept[i]);
}

/* wrk's own words: "N requests in", "Requests/sec: N", and of what went wrong "Non-2xx" and "Socket errors". */
static void run_wrk(const char *url, int seconds)
{
    char command[300], line[300];
    double requests = 0, rate = 0, wrong = 0, began = cpu_s();
    snprintf(command, sizeof command, "wrk -t1 -c16 -d%ds %s", seconds, url);
    FILE *out = popen(command, "re");
    while (out && fgets(line, sizeof line, out)) {
        if (strstr(line, " requests in "))
            requests = atof(line);
        else if (strncmp(line, "Requests/sec:", 13) == 0)
            rate = atof(line + 13);
        wrong += strstr(line, "Non-2xx") || strstr(line, "Socket errors");
    }
    if (!out || pclose(out) != 0 || requests <= 0)
        die("wrk cannot ask");
    printf("rate %f\nwrong %f\ncpu_us %f\n", rate, wrong, (cpu_s() - began) / requests * 1e6);
}

/* Is the document there, with memstats in it? */
static void look(const char *url)
{
    char command[300], line[1 << 16];
    int found = 0;
    size_t bytes = 0;
    snprintf(command, sizeof command, "curl -sf %s", url);
    FILE *out = popen(command, "re");
    while (out && fgets(line, sizeof line, out)) {
        bytes += strlen(line);
        found |= strncmp(line, "\"memstats\": {\"Alloc\":", 21) == 0;
    }
    if (out)
        pclose(out);
    printf("memstats %d\nbytes %zu\n", found, bytes);
}

int main(int argc, char **argv)
{
    char url[200] = "";
#if defined TOOL_CPROF
    if (cprof_serve("127.0.0.1:0") < 0)
        die(cprof_last_error());
    snprintf(url, sizeof url, "http://%s/debug/vars", cprof_serve_addr());
#endif
    fill(argc > 2 ? atoi(argv[2]) : 0, argc > 3 ? atoi(argv[3]) : 0);
    look(url);
    run_wrk(url, argc > 1 ? atoi(argv[1]) : 1);
    return 0;
}
