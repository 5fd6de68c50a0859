/* A program with profiles of its own, as the lines of its stdin say; each is answered by one line:
 *     new NAME | add VALUE SKIP NAME | remove VALUE NAME | count NAME | fork NAME
 *     write DEBUG PATH KIND | load PATH | plugin VALUE NAME | quit
 * A name is the rest of the line. The first profile, "early", has a value from a constructor. */
#include <cprof.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define KEEP     __asm__ volatile("" ::: "memory")

static void *value(const char *text)
{
    return (void *)(uintptr_t)strtoull(text, NULL, 0);
}

NOINLINE int inner(struct cprof_profile *p, void *v, int skip)
{
    int status = cprof_profile_add(p, v, skip);
    KEEP;
    return status;
}

NOINLINE int outer(struct cprof_profile *p, void *v, int skip)
{
    int status = inner(p, v, skip);
    KEEP;
    return status;
}

__attribute__((constructor)) static void early(void)
{
    outer(cprof_profile_new("early"), NULL, 1);
}

static void child(const char *name)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct cprof_profile *p = cprof_profile_lookup(name);
        int before = cprof_profile_count(p), status = outer(p, &pid, 1);
        printf("child %d %d %d\n", before, status, cprof_profile_count(p));
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static int write_to(const char *path, const char *kind, int debug)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int status = cprof_write(kind, fd, debug);
    close(fd);
    return status;
}

typedef int plugin_fn(struct cprof_profile *p, void *v);

int main(void)
{
    static char line[4096];
    void *plugin = NULL;
    if (cprof_serve("127.0.0.1:0") == CPROF_OK && cprof_serve_addr())
        printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char a[4000] = "", b[4000] = "";
        int at = 0, status = 0;
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "new ", 4) == 0)
            status = cprof_profile_new(line + 4) ? 0 : -1;
        else if (sscanf(line, "add %s %s %n", a, b, &at) == 2)
            status = outer(cprof_profile_lookup(line + at), value(a), atoi(b));
        else if (sscanf(line, "remove %s %n", a, &at) == 1)
            status = cprof_profile_remove(cprof_profile_lookup(line + at), value(a));
        else if (strncmp(line, "count ", 6) == 0)
            status = cprof_profile_count(cprof_profile_lookup(line + 6));
        else if (strncmp(line, "fork ", 5) == 0)
            child(line + 5);
        else if (sscanf(line, "write %s %s %n", a, b, &at) == 2)
            status = write_to(b, line + at, atoi(a));
        else if (strncmp(line, "load ", 5) == 0)
            status = (plugin = dlopen(line + 5, RTLD_NOW)) ? 0 : -1;
        else if (sscanf(line, "plugin %s %n", a, &at) == 1)
            status = ((plugin_fn *)dlsym(plugin, "plugin_add"))(cprof_profile_lookup(line + at), value(a));
        else if (strcmp(line, "quit") == 0)
            break;
        printf("%d %s\n", status, status < 0 ? cprof_last_error() : "");
        fflush(stdout);
    }
    return 0;
}
