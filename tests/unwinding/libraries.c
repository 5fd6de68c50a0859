/* What programs call of libc and others: much of it is assembler, or compiled by other hands. Linked lazily, so that
 * the stubs and the loader's resolver are stepped through as well. */
#include <dlfcn.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <wchar.h>

#include "work.h"

#define BYTES 3000

static volatile double sink;
static char a[BYTES], b[BYTES];

/* Sizes and alignments that lead through each of their branches. */
static void moves_bytes(void)
{
    static const size_t sizes[] = {0, 1, 3, 8, 15, 16, 17, 31, 33, 63, 65, 127, 129, 300, 600, 1200, BYTES - 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(a + i % 32, b, sizes[i]);
        memmove(a + i % 16, a + 7, sizes[i]);
        memset(b, 'x', sizes[i]);
        b[sizes[i]] = 0;
        sink += (double)strlen(b) + memcmp(a, b, sizes[i]);
        sink += strchr(b, 'y') != NULL;
        sink += memchr(b, 'z', sizes[i]) != NULL;
        sink += strncmp(a, b, sizes[i]);
        strcpy(a, b);
        sink += strstr(a, "xyx") != NULL;
    }
}

static void prints_and_reads(void)
{
    char text[300];
    snprintf(text, sizeof text, "%d %s %.17g %ld %p %5.2Lf", 42, "words", 3.14159, 1L << 40, (void *)text, 1.5L);
    sink += strtod("2.718281828459045e-100", NULL) + (double)strtol(text, NULL, 10);
    int n = 0;
    float f = 0;
    sscanf("17 2.5", "%d %f", &n, &f);
    sink += n + f;
}

static void reckons(void)
{
    double x = 0.1 + sink * 0;
    sink += sin(x) + cos(x) + exp(x) + log(x) + pow(x, 1.7) + atan2(x, 2) + fmod(x * 100, 7) + tgamma(x + 1);
    sink += (double)sinl(0.5L) + (double)expf(0.25f);
}

static void allocates(void)
{
    void *blocks[12];
    for (size_t i = 0; i < 12; i++)
        blocks[i] = malloc(16 << i);
    for (size_t i = 0; i < 12; i += 2)
        blocks[i] = realloc(blocks[i], 100);
    for (size_t i = 0; i < 12; i++)
        free(blocks[i]);
}

static void matches(void)
{
    regex_t expression;
    if (regcomp(&expression, "^a(b|c)*d[0-9]+$", REG_EXTENDED) == 0) {
        sink += regexec(&expression, "abcbcbd123", 0, NULL, 0);
        regfree(&expression);
    }
}

static void jumps(void)
{
    jmp_buf here;
    volatile int times = 0;
    if (setjmp(here) < 3)
        longjmp(here, ++times);
}

static ucontext_t above, inside;

static void in_coroutine(void)
{
    sink += strlen("coroutine");
    swapcontext(&inside, &above);
    sink += 1;
}

static void switches(void)
{
    static char stack[32 << 10];
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = sizeof stack;
    inside.uc_link = &above;
    makecontext(&inside, in_coroutine, 0);
    swapcontext(&above, &inside);
    swapcontext(&above, &inside);
}

static void asks_the_time(void)
{
    struct timespec t;
    time_t now = time(NULL);
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&now, &parts);
    sink += (double)mktime(&parts);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void locks(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

/* Written in assembler for the most part. Opened with this object, so that its rows are there when work begins. */
static void *library;

__attribute__((constructor)) static void open_library(void)
{
    library = dlopen("libcrypto.so.3", RTLD_LAZY);
}

static void hashes(void)
{
    typedef unsigned char *digest(const unsigned char *, size_t, unsigned char *);
    static const char *const names[] = {"SHA1", "SHA256", "SHA512"};
    unsigned char out[64];
    for (size_t i = 0; library && i < sizeof names / sizeof *names; i++) {
        digest *function = (digest *)dlsym(library, names[i]);
        if (function)
            function((const unsigned char *)a, 200, out);
    }
}

void work(void)
{
    static void (*const all[])(void) = {moves_bytes, prints_and_reads, reckons, allocates,     matches,
                                        jumps,       switches,         locks,   asks_the_time, hashes};
    static unsigned turn;
    all[turn++ % (sizeof all / sizeof *all)]();
}
