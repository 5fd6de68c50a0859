/* Work whose shares are known: one function does all of it, in units, and every unit is counted for the function that
 * asked for it, in an order that is random. argv[1] seconds of CPU on each of two threads, argv[2] Hz, argv[3] the
 * profile. Prints the units of each.
 *
 * Built with -finstrument-functions it takes no profile and prints who called whom. */
#include <alloca.h>
#include <cprof.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "work.h"

#define KINDS 6
#define BARE  __attribute__((no_instrument_function))

static const char *const names[KINDS] = {"direct", "deep", "callback", "realigned", "handler", "in_coroutine"};
static const uint32_t wanted[KINDS] = {40, 25, 15, 10, 6, 4}; /* parts of 100 */

struct worker {
    uint64_t units[KINDS];
    uint64_t random;
    double seconds;
};

static _Thread_local struct worker *self;
static _Thread_local ucontext_t outside, inside;
static _Thread_local char coroutine_stack[64 << 10] __attribute__((aligned(16)));

static inline BARE uint32_t upto(uint32_t n)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return 1 + (uint32_t)(self->random >> 33) % n;
}

/* All the work that there is: a unit takes as long for whoever asks. In registers however the rest is built: in memory
 * its time depends on where the stack happens to be, by a percent. */
__attribute__((noinline, optimize("O2"))) void work(uint32_t units)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < units * 1000; i++) {
        hash ^= i;
        hash *= 16777619u;
    }
    work_sink = hash;
}

__attribute__((noinline)) void direct(uint32_t units)
{
    work(units);
    __asm__ volatile("");
}

__attribute__((noinline)) uint32_t deep(uint32_t depth, uint32_t units)
{
    if (!depth) {
        work(units);
        return units;
    }
    return deep(depth - 1, units) + 1;
}

__attribute__((noinline)) int compare(const void *key, const void *element)
{
    (void)element;
    work(*(const uint32_t *)key);
    return 1;
}

/* Of sixteen, as of any number that libc may look at, none is found. */
__attribute__((noinline)) uint32_t callback(uint32_t units)
{
    static const char row[1];
    uint32_t key = units;
    return bsearch(&key, row, 1, 1, compare) ? 0 : units;
}

__attribute__((noinline)) void realigned(uint32_t units)
{
    volatile char __attribute__((aligned(64))) line[64];
    volatile char *room = alloca(upto(500));
    line[0] = room[0] = (char)units;
    work(units);
    line[1] = room[0];
}

__attribute__((noinline)) void on_signal(int sig)
{
    (void)sig;
    work(2);
}

__attribute__((noinline)) void handler(uint32_t times)
{
    while (times--)
        raise(SIGUSR1);
}

__attribute__((noinline)) void in_coroutine(void)
{
    work(5);
    __asm__ volatile("");
}

__attribute__((noinline)) void coroutine(void)
{
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = coroutine_stack, .ss_size = sizeof coroutine_stack};
    inside.uc_link = &outside;
    makecontext(&inside, in_coroutine, 0);
    swapcontext(&outside, &inside);
}

/* So many units as it has done. */
__attribute__((noinline)) uint32_t do_some(int kind)
{
    uint32_t units = upto(8);
    switch (kind) {
    case 0: direct(units); return units;
    case 1: deep(upto(30), units); return units;
    case 2: return callback(units);
    case 3: realigned(units); return units;
    case 4: handler(3); return 6;
    default: coroutine(); return 5;
    }
}

static BARE int choose(void)
{
    uint32_t chance = upto(100);
    int kind = 0;
    while (chance > wanted[kind])
        chance -= wanted[kind++];
    return kind;
}

__attribute__((noinline)) void *run(void *arg)
{
    self = arg;
    double end = work_thread_seconds() + self->seconds;
    do
        for (int i = 0; i < 100; i++) {
            int kind = choose();
            self->units[kind] += do_some(kind);
        }
    while (work_thread_seconds() < end);
    return NULL;
}

#ifdef EDGES
static _Thread_local void *called[4096];
static _Thread_local int depth;

void __cyg_profile_func_enter(void *fn, void *site) BARE;
void __cyg_profile_func_exit(void *fn, void *site) BARE;

static BARE const char *name_of(void *fn)
{
    Dl_info info;
    return fn && dladdr(fn, &info) && info.dli_sname ? info.dli_sname : "?";
}

void __cyg_profile_func_enter(void *fn, void *site)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static void *seen[1000][2];
    static int n;
    (void)site;
    void *from = depth ? called[depth - 1] : NULL;
    called[depth++] = fn;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < n && (seen[i][0] != from || seen[i][1] != fn))
        i++;
    if (i == n) {
        seen[n][0] = from;
        seen[n++][1] = fn;
        printf("edge %s %s\n", name_of(from), name_of(fn));
    }
    pthread_mutex_unlock(&lock);
}

void __cyg_profile_func_exit(void *fn, void *site)
{
    (void)site;
    (void)fn;
    depth--;
}
#endif

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    static struct worker workers[2];
    pthread_t threads[2];
    signal(SIGUSR1, on_signal);
#ifndef EDGES
    if (cprof_cpu_start(open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600), atoi(argv[2])) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
#endif
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){.random = (uint64_t)getpid() * 77 + (uint64_t)i, .seconds = atof(argv[1])};
        pthread_create(&threads[i], NULL, run, &workers[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < KINDS; i++)
        printf("%s %llu\n", names[i], (unsigned long long)(workers[0].units[i] + workers[1].units[i]));
#ifndef EDGES
    return cprof_cpu_stop() == 0 ? 0 : 1;
#endif
}
