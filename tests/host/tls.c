/* A host that uses up the reserve of static thread-local storage, by copies of a library (tls_block.c, the argument).
 */
#include <dlfcn.h>

#include "host.h"

#define MOST     200
#define RESERVED 8 /* what any program may hope for: 1 KiB */

static char *copy_library(int i)
{
    static char path[4096], data[1 << 16];
    snprintf(path, sizeof path, "%s/block%d.so", host_scratch, i);
    int from = open(host_arguments[0], O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    for (ssize_t n; (n = read(from, data, sizeof data)) > 0;)
        if (write(to, data, (size_t)n) != n)
            perror(path);
    close(from), close(to);
    return path;
}

/* Each one's bytes are its own in each thread. */
static int open_all(void)
{
    int n = 0;
    for (void *library; n < MOST && (library = dlopen(copy_library(n), RTLD_NOW | RTLD_LOCAL)); n++) {
        char *(*block)(void) = (char *(*)(void))dlsym(library, "tls_block");
        if (block()[0])
            printf("not its own\n");
        block()[0] = 1;
    }
    return n;
}

static void print_opened(int n)
{
    printf("libraries with static thread-locals: %s\n",
           n >= RESERVED && n < MOST ? "as many as one may hope for" : "too few");
    fprintf(stderr, "%d\n", n);
}

static void used_up_before(void)
{
    print_opened(open_all());
    host_sample();
    host_burn(0.05);
    host_stop();
}

static void used_up_after(void)
{
    host_sample();
    print_opened(open_all());
    host_burn(0.05);
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"before", used_up_before},
        {"after", used_up_after},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
