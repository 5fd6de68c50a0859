/* Sleeps argv[1] seconds and tells what that took, perhaps recorded. With -DTOOL_CPROF and BENCH_SERVE it serves
 * meanwhile, and asks its own server for the index afterwards. */
#include "tool.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 2; /* . and .. */
}

static long status_kib(const char *field)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field), NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

#if defined TOOL_CPROF
/* The status line's code of GET /debug/pprof/, 0 if there is none. */
static int ask(int port)
{
    static const char request[] = "GET /debug/pprof/ HTTP/1.0\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char answer[64] = "";
    int code = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && write(fd, request, sizeof request - 1) > 0 &&
        read(fd, answer, sizeof answer - 1) > 9)
        code = atoi(answer + 9);
    if (fd >= 0)
        close(fd);
    return code;
}
#endif

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 1, answered = 0;
#if defined TOOL_CPROF
    if (getenv("BENCH_SERVE") && cprof_serve("127.0.0.1:0") < 0)
        die(cprof_last_error());
#endif
    tool_start();
    sleep(1); /* what starting sets in motion is over */
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    long switched = switches();
    sleep((unsigned)seconds);
    int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    switched = switches() - switched;
    int threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd") - 1; /* not the listing's own */
    long rss_kib = status_kib("VmRSS:"), anon_kib = status_kib("RssAnon:");
#if defined TOOL_CPROF
    if (cprof_serve_addr())
        answered = ask(atoi(strrchr(cprof_serve_addr(), ':') + 1));
#endif
    tool_stop();
    printf("cpu_ns %lld\nswitches %ld\nthreads %d\ndescriptors %d\n", (long long)cpu_ns, switched, threads,
           descriptors);
    printf("rss_kib %ld\nanon_kib %ld\nanswered %d\n", rss_kib, anon_kib, answered);
    return 0;
}
