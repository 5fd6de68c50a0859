/* A host that gives back what libc's own functions allocated, and looks at what it has: whoever the allocator is. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>

#include "host.h"

#define ROUNDS     2000
#define THREADS    3
#define BIG        ((size_t)512 << 20)
#define HARDLY_ANY (BIG / 50)

static bool is_filled(const char *p, char with, size_t n)
{
    while (n > 0 && p[n - 1] == with)
        n--;
    return n == 0;
}

/* getline and its kind allocate inside libc; free is whatever the program's is. */
static int use_libcs_own(int i)
{
    char *text = NULL, *line = NULL, *open = NULL, *copy = strdup("copied");
    size_t n = 0, open_size = 0;
    int wrong = asprintf(&text, "%d and %s", i, copy) < 0;
    FILE *memory = open_memstream(&open, &open_size);
    fprintf(memory, "%s\nsecond\n", text);
    fclose(memory);
    FILE *in = fmemopen(open, open_size, "r");
    wrong += getline(&line, &n, in) < 0 || strncmp(line, text, strlen(text)) != 0;
    fclose(in);
    char *real = realpath("/proc/self", NULL);
    wrong += !real || strncmp(real, "/proc/", 6) != 0;
    free(real), free(line), free(open), free(text), free(copy);
    return wrong;
}

static int use_every_function(int i)
{
    size_t n = (size_t)(i * 37) % 5000 + 1;
    int wrong = 0;
    void *aligned = NULL;
    char *p = malloc(n), *zero = calloc(n, 3);
    memset(p, 7, n);
    wrong += !is_filled(zero, 0, 3 * n) || malloc_usable_size(p) < n || malloc_usable_size(p) > 2 * n + 64;
    p = realloc(p, 2 * n);
    wrong += !is_filled(p, 7, n);
    p = reallocarray(p, n, 3);
    wrong += !is_filled(p, 7, n);
    wrong += posix_memalign(&aligned, 256, n) != 0 || (uintptr_t)aligned % 256 != 0;
    void *more = aligned_alloc(4096, 4096), *older = memalign(64, n), *pages = valloc(n);
    wrong += (uintptr_t)more % 4096 != 0 || (uintptr_t)older % 64 != 0 || (uintptr_t)pages % 4096 != 0;
    free(more), free(older), free(pages), free(aligned), free(p), free(zero);
    return wrong;
}

static _Atomic int wrongs;

static void *use_memory(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        wrongs += use_libcs_own(i) + use_every_function(i);
    return arg;
}

/* volatile: the compiler knows what these give. */
static void print_refusals(void)
{
    volatile size_t much = PTRDIFF_MAX;
    void *volatile p = NULL;
    errno = 0;
    void *a = malloc(much), *b = calloc(much, 4);
    printf("too much: %s, %s\n", !a && !b ? "refused" : "given", strerrorname_np(errno));
    free(a), free(b), free(p);
    errno = EBADF;
    free(malloc(10));
    printf("free leaves errno: %s\n", strerrorname_np(errno));
}

static void used_and_freed(void)
{
    pthread_t threads[THREADS];
    host_sample();
    for (int i = 0; i < THREADS; i++)
        threads[i] = host_thread(use_memory, NULL);
    host_burn(0.1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    host_stop();
    print_refusals();
    printf("%d wrong\n", wrongs);
}

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%*s %zu", &pages) != 1)
        perror("statm");
    if (f)
        fclose(f);
    return pages * 4096;
}

/* As numpy.zeros: nothing of it is there until it is used. */
static void big_blocks_stay_virtual(void)
{
    host_sample();
    size_t before = resident_bytes();
    char *zeros = calloc(BIG, 1);
    host_burn(0.05);
    size_t grown = resident_bytes() - before;
    bool little = (ptrdiff_t)grown < (ptrdiff_t)HARDLY_ANY;
    printf("resident %s\n", little ? "hardly any" : "too much");
    fprintf(stderr, "%zd of %zu bytes\n", grown, BIG);
    zeros[BIG / 2] = 1;
    free(zeros);
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"used", used_and_freed},
        {"virtual", big_blocks_stay_virtual},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
