/*
 * stepper SAMPLES GAP OBJECT...: runs work() of each shared object one instruction at a time, and at random ones, GAP
 * apart at most, compares the walk of sig/cwalk with libunwind's from the same context. The trap flag stops after every
 * instruction, whatever it is: prologues, epilogues, stubs of the linker, the vdso, libc's assembler.
 *
 * Prints for each object "samples N same N better N complete N", and the first few that differ. Better: libunwind did
 * not come to where the thread began, as in libc's assembler that pushes without saying so, and our walk did.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "sampler/modules.h"
#include "sig/cwalk.h"
#include "sig/rows.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/any/random.h"
#include "work.h"

#define THEIRS_MAX (RECORD_MAX_FRAMES + 8)
#define SHOWN      6
#define TRAP_FLAG  0x100
#define ROUNDS_MAX 2000

struct walks {
    int n_ours, n_theirs;
    uint16_t flags;
    uint64_t ours[RECORD_MAX_FRAMES], theirs[THEIRS_MAX];
};

static volatile sig_atomic_t stepping, wanted;
static int samples, same, better, complete, gap, n_shown;
static uint64_t outermost;
static struct walks shown[SHOWN];
static int kinds[ROW_INDEXED + 1], in_vdso, in_frameless;
static uint64_t random_state = 1, widest_gap;

static void walk_theirs(ucontext_t *context, struct walks *w)
{
    unw_cursor_t cursor;
    unw_word_t ip;
    w->n_theirs = 0;
    if (unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME) != 0)
        return;
    do {
        if (unw_get_reg(&cursor, UNW_REG_IP, &ip) != 0 || !ip)
            return;
        w->theirs[w->n_theirs++] = ip;
    } while (w->n_theirs < THEIRS_MAX && unw_step(&cursor) > 0);
}

static void walk_ours(const ucontext_t *context, struct walks *w)
{
    static struct record r;
    r.flags = 0;
    cwalk(regs_from_ucontext(context), &r);
    w->n_ours = r.depth;
    w->flags = r.flags;
    memcpy(w->ours, r.pc, r.depth * sizeof r.pc[0]);
}

/* + 1: the exact pc above a signal frame, see sig/record.h. */
static bool alike(const struct walks *w)
{
    if (w->n_ours != w->n_theirs && !(w->flags & RECORD_TRUNCATED && w->n_theirs > w->n_ours))
        return false;
    for (int i = 0; i < w->n_ours; i++)
        if (w->ours[i] != w->theirs[i] && (!i || w->ours[i] != w->theirs[i] + 1))
            return false;
    return true;
}

static bool better_than_theirs(const struct walks *w)
{
    return w->ours[w->n_ours - 1] == outermost && (!w->n_theirs || w->theirs[w->n_theirs - 1] != outermost);
}

static void count_kind(uint64_t pc)
{
    const struct rows_module *m = rows_module_of(rows_current(), pc);
    const struct row *row = m ? rows_find(m, pc) : NULL;
    uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
    kinds[row ? row->cfa : ROW_NONE]++;
    in_frameless += row && row->cfa == ROW_SP && row->cfa_offset == 8;
    in_vdso += pc >= vdso && pc < vdso + (2 << 12);
}

static void compare(ucontext_t *context)
{
    static struct walks w;
    count_kind((uint64_t)context->uc_mcontext.gregs[REG_RIP]);
    walk_ours(context, &w);
    walk_theirs(context, &w);
    bool is_same = alike(&w), is_better = !is_same && better_than_theirs(&w);
    samples++;
    same += is_same;
    better += is_better;
    complete += !(w.flags & RECORD_PARTIAL);
    if (!is_same && !is_better && n_shown < SHOWN)
        shown[n_shown++] = w;
}

/* Both ways agree on it before anything is stepped through. */
static void find_outermost(void)
{
    ucontext_t here;
    struct walks w;
    getcontext(&here);
    modules_refresh(NULL);
    walk_ours(&here, &w);
    walk_theirs(&here, &w);
    outermost = w.ours[w.n_ours - 1];
    if (w.flags || outermost != w.theirs[w.n_theirs - 1])
        exit(2);
}

static void on_trap(int sig, siginfo_t *info, void *arg)
{
    (void)sig, (void)info;
    ucontext_t *context = arg;
    int saved = errno;
    if (!stepping || samples >= wanted) {
        context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    } else if (--gap <= 0) {
        gap = (int)random_upto(&random_state, widest_gap);
        compare(context);
    }
    errno = saved;
}

/* Compiled without frame pointers: the CFA is counted from rsp. */
void step_from_here(void)
{
    if (stepping)
        __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t.cfi_adjust_cfa_offset 128\n\t"
                         "pushfq\n\t.cfi_adjust_cfa_offset 8\n\t"
                         "orq $0x100, (%%rsp)\n\t"
                         "popfq\n\t.cfi_adjust_cfa_offset -8\n\t"
                         "leaq 128(%%rsp), %%rsp\n\t.cfi_adjust_cfa_offset -128"
                         :
                         :
                         : "memory", "cc");
}

static void show_side(const char *side, const uint64_t *pcs, int n)
{
    printf("    %s %d:", side, n);
    for (int i = 0; i < n && i < 24; i++) {
        Dl_info info;
        if (!dladdr((void *)(uintptr_t)(pcs[i] - (i > 0)), &info))
            printf(" %#lx", pcs[i]);
        else
            printf(" %s+%#lx(%s)", info.dli_sname ? info.dli_sname : "?",
                   pcs[i] - (uint64_t)(uintptr_t)(info.dli_sname ? info.dli_saddr : info.dli_fbase),
                   strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname);
    }
    puts("");
}

static void show(void)
{
    for (int i = 0; i < n_shown; i++) {
        show_side(shown[i].flags & RECORD_PARTIAL ? "ours, partial," : "ours", shown[i].ours, shown[i].n_ours);
        show_side("theirs", shown[i].theirs, shown[i].n_theirs);
    }
}

static void step_through(const char *path)
{
    void *object = dlopen(path, RTLD_LAZY);
    void (*work)(void) = object ? (void (*)(void))dlsym(object, "work") : NULL;
    if (!work) {
        printf("%s: %s\n", path, dlerror());
        exit(1);
    }
    modules_refresh(NULL);
    unw_flush_cache(unw_local_addr_space, 0, 0);
    samples = same = better = complete = n_shown = 0;
    for (int round = 0; samples < wanted && round < ROUNDS_MAX; round++) {
        stepping = 1;
        step_from_here();
        work();
        stepping = 0;
    }
    printf("%s samples %d same %d better %d complete %d\n", strrchr(path, '/') ? strrchr(path, '/') + 1 : path, samples,
           same, better, complete);
    show();
    fflush(stdout);
    dlclose(object);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    sigaction(SIGTRAP, &action, NULL);
    wanted = argc > 2 ? atoi(argv[1]) : 1000;
    widest_gap = argc > 2 ? (uint64_t)atoi(argv[2]) : 1;
    find_outermost();
    for (int i = 3; i < argc; i++)
        step_through(argv[i]);
    printf("kinds stub %d realigned %d resolver %d register %d trampoline %d pointer %d frameless %d vdso %d\n",
           kinds[ROW_PLT], kinds[ROW_SP_DEREF] + kinds[ROW_FP_DEREF], kinds[ROW_BX], kinds[ROW_REGISTER],
           kinds[ROW_SIGNAL], kinds[ROW_FP], in_frameless, in_vdso);
    return 0;
}
