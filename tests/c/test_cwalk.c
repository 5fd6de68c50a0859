/*
 * The walker against libunwind, in the same handler, at whatever instruction a fast timer hits: prologues,
 * epilogues, PLT stubs, leaves, libc without frame pointers, frames below a signal handler and on an
 * alternate stack.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "base/any/here.h"
#include "check.h"
#include "sampler/modules.h"
#include "sig/cwalk.h"
#include "sig/tick.h"

#include <alloca.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define WANT_SAMPLES 3000
#define KEEP_BAD     8

static volatile sig_atomic_t samples, same, complete, handler_depth;
static struct {
    int n_ours, n_theirs;
    uint64_t ours[16], theirs[16];
} bad[KEEP_BAD];
static volatile sig_atomic_t n_bad;

static int walk_theirs(ucontext_t *context, uint64_t *pcs, int most)
{
    unw_cursor_t cursor;
    unw_word_t pc;
    int n = 0;
    if (unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME) != 0)
        return 0;
    do {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || !pc)
            break;
        pcs[n++] = pc;
    } while (n < most && unw_step(&cursor) > 0);
    return n;
}

/* Both walk all frames from the interrupted one. */
static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    static struct record r;
    static uint64_t theirs[RECORD_MAX_FRAMES + 16];
    int saved_errno = errno;
    r.flags = 0;
    cwalk(regs_from_ucontext(context), &r);
    int m = walk_theirs(context, theirs, RECORD_MAX_FRAMES + 16), ok = m == r.depth;
    for (int i = 0; ok && i < m; i++)
        ok = r.pc[i] == theirs[i] || (i && r.pc[i] == theirs[i] + 1); /* + 1: exact pc above a signal frame */
    samples++;
    complete += !(r.flags & (RECORD_PARTIAL | RECORD_TRUNCATED));
    same += ok;
    if (!ok && n_bad < KEEP_BAD) {
        bad[n_bad].n_ours = r.depth;
        bad[n_bad].n_theirs = m;
        for (int i = 0; i < 16; i++) {
            bad[n_bad].ours[i] = i < r.depth ? r.pc[i] : 0;
            bad[n_bad].theirs[i] = i < m ? theirs[i] : 0;
        }
        n_bad++;
    }
    errno = saved_errno;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static double leafy(double x)
{
    return x * 1.5 + 2;
}

__attribute__((noinline)) static long recurse(int n)
{
    char *pad = alloca(64 + (size_t)n % 7 * 16); /* a frame of unknown size: the CFA goes through rbp */
    memset(pad, n, 64);
    double x = leafy(n) + sin(n);
    return n ? recurse(n - 1) + pad[3] + (long)x : (long)x;
}

__attribute__((noinline)) static void work(void)
{
    static int numbers[512];
    char text[256];
    for (int i = 0; i < 512; i++)
        numbers[i] = (i * 7919) % 1009;
    qsort(numbers, 512, sizeof numbers[0], compare);
    snprintf(text, sizeof text, "%d %f %s", numbers[3], recurse(12) * 0.5, "abc");
    free(malloc(strlen(text) + 100));
}

/* A stack that the compiler realigns: the CFA is found through a saved pointer. */
__attribute__((noinline)) static void realigned(void)
{
    _Alignas(64) volatile char buffer[256];
    buffer[0] = (char)samples;
    work();
    buffer[1] = buffer[0];
}

static void on_usr1(int sig)
{
    (void)sig;
    handler_depth++;
    work();
    handler_depth--;
}

static void run_until(int want, void (*fn)(void))
{
    while (samples < want)
        fn();
}

static void raise_usr1(void)
{
    raise(SIGUSR1);
}

static void start_timer(void)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval every = {{0, 211}, {0, 211}};
    setitimer(ITIMER_REAL, &every, NULL);
}

static void judge(const char *what)
{
    printf("%s: %d samples, %d like libunwind, %d complete\n", what, (int)samples, (int)same, (int)complete);
    for (int i = 0; i < n_bad; i++) {
        printf("  ours %d theirs %d\n", bad[i].n_ours, bad[i].n_theirs);
        for (int k = 0; k < 16 && (bad[i].ours[k] || bad[i].theirs[k]); k++)
            printf("    %#lx %#lx\n", bad[i].ours[k], bad[i].theirs[k]);
    }
    /* libunwind itself errs now and then in a prologue; more than one in a thousand would be us. */
    CHECK(same >= samples - samples / 1000);
    CHECK(complete >= samples - samples / 1000);
    samples = same = complete = n_bad = 0;
}

static void no_table_is_partial(void)
{
    struct record r = {0};
    ucontext_t here;
    getcontext(&here);
    cwalk(regs_from_ucontext(&here), &r);
    CHECK_INT(r.depth, 1);
    CHECK(r.flags & RECORD_PARTIAL);
}

/* Registers that point nowhere end the walk, they do not end the process. */
static void wild_registers_are_survived(void)
{
    uint64_t wild[] = {0, 8, 0xdeadbeef000, UINT64_MAX - 7, (uint64_t)(uintptr_t)wild_registers_are_survived};
    for (size_t a = 0; a < 5; a++) {
        for (size_t b = 0; b < 5; b++) {
            for (size_t c = 0; c < 5; c++) {
                struct record r = {0};
                struct regs regs = {.pc = wild[a], .sp = wild[b], .fp = wild[c]};
                cwalk(regs, &r);
                CHECK(r.depth >= 1 && r.depth <= RECORD_MAX_FRAMES);
            }
        }
    }
}

#if defined(__x86_64__)
static struct record seen;

static void look_around(void)
{
    struct here h = {0};
    HERE_NOW(&h);
    seen.flags = 0;
    cwalk_own((struct regs){.pc = h.pc, .sp = h.sp, .fp = h.fp}, RECORD_MAX_FRAMES, &seen);
}

/* With a frame pointer of its own, which a JIT that keeps none hands on. */
__attribute__((noinline, noclone, optimize("no-omit-frame-pointer"))) static void call_jit(void *code, void *then)
{
    ((void (*)(void *))code)(then);
    __asm__ volatile("");
}

static bool is_in(uint64_t pc, const void *start, size_t n)
{
    return pc >= (uint64_t)(uintptr_t)start && pc < (uint64_t)(uintptr_t)start + n;
}

/* Code that no file holds is passed by its frame pointer where it keeps one. Where it does not, the frame pointer is
 * its caller's, and believing it would leave that one out: the walk ends there, and says so. */
static void jit_code_is_passed_or_ends_the_walk(void)
{
    static const unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    static const unsigned char bare[] = {0x48, 0x83, 0xec, 0x18, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x18, 0xc3};
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, framed, sizeof framed);
    memcpy(code + 64, bare, sizeof bare);
    call_jit(code, (void *)look_around);
    CHECK_INT(seen.flags, 0);
    CHECK(seen.depth > 3 && is_in(seen.pc[1], code, 64) && is_in(seen.pc[2], (void *)call_jit, 64));
    call_jit(code + 64, (void *)look_around);
    CHECK_INT(seen.flags, RECORD_PARTIAL);
    CHECK_INT(seen.depth, 2);
    CHECK(is_in(seen.pc[1], code + 64, 64));
    munmap(code, 4096);
}
#endif

int main(void)
{
#ifdef __SANITIZE_THREAD__
    /* It runs handlers late, when the stack has moved on from the context they are given. */
    puts("skipped: ThreadSanitizer delays signals");
    return 0;
#endif
    no_table_is_partial();
    modules_refresh(NULL);
    wild_registers_are_survived();
#if defined(__x86_64__)
    jit_code_is_passed_or_ends_the_walk();
#endif

    void *alt = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = alt, .ss_size = 1 << 20};
    sigaltstack(&stack, NULL);
    start_timer();
    run_until(WANT_SAMPLES, work);
    judge("plain");
    run_until(WANT_SAMPLES, realigned);
    judge("realigned");
    struct sigaction sa = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &sa, NULL);
    run_until(WANT_SAMPLES, raise_usr1);
    judge("below a signal handler");
    sa.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &sa, NULL);
    run_until(WANT_SAMPLES, raise_usr1);
    judge("on an alternate stack");
    return check_done();
}
