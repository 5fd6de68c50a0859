#include "hook/got.h"

#include "base/any/readable.h"
#include "base/atfork.h"
#include "base/definition.h"
#include "hook/entries.h"

#include <elf.h>
#include <link.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define RELOCATION_SLOT   R_X86_64_JUMP_SLOT
#define RELOCATION_TABLE  R_X86_64_GLOB_DAT
#define RELOCATION_STORED R_X86_64_64
#elif defined(__aarch64__)
#define RELOCATION_SLOT   R_AARCH64_JUMP_SLOT
#define RELOCATION_TABLE  R_AARCH64_GLOB_DAT
#define RELOCATION_STORED R_AARCH64_ABS64
#endif

#define PAGE_SIZE ((uintptr_t)sysconf(_SC_PAGESIZE))

/* What a program calls, ours in its place, and where in hook_functions the call goes on to; -1: to one of another name,
 * of which libc itself makes it. Where it is somebody else's it is left alone. */
struct redirection {
    const char *name;
    void (*ours)(void);
    int next;
    void *theirs; /* what callers would reach without us */
};

#define GOES_ON(name)                                                                                                  \
    {                                                                                                                  \
#name, (void (*)(void))entry_##name, offsetof(struct hook_functions, name), NULL                               \
    }
#define SAME_AS_OTHER(name)                                                                                            \
    {                                                                                                                  \
#name, (void (*)(void))entry_##name, -1, NULL                                                                  \
    }

/* _exit and posix_spawn matter to `cprof run` only. */
static struct redirection redirections[] = {
    GOES_ON(execve),       GOES_ON(execvpe),          GOES_ON(fexecve),       GOES_ON(execveat),
    GOES_ON(sigaction),    GOES_ON(signal),           GOES_ON(sysv_signal),   GOES_ON(sigset),
    GOES_ON(sigignore),    GOES_ON(siginterrupt),     GOES_ON(prctl),         GOES_ON(syscall),
    GOES_ON(sigprocmask),  GOES_ON(pthread_sigmask),  GOES_ON(unshare),       GOES_ON(setns),
    GOES_ON(execv),        GOES_ON(execvp),           SAME_AS_OTHER(execl),   SAME_AS_OTHER(execlp),
    SAME_AS_OTHER(execle), SAME_AS_OTHER(bsd_signal), SAME_AS_OTHER(ssignal), SAME_AS_OTHER(__sysv_signal),
};

#define N_REDIRECTIONS (sizeof redirections / sizeof *redirections)

static const struct hook_events *configured;
static bool never;
static _Atomic int wanted;
static _Atomic uint32_t redirected;
static struct hook_functions next;
static bool started;

const struct hook_functions *entries_now(void)
{
    return &hook_functions;
}

void got_configure(const struct hook_events *events)
{
    configured = events;
}

void got_never(void)
{
    never = true;
}

bool got_is_used(void)
{
    return !never;
}

bool got_want(int more)
{
    atomic_fetch_add(&wanted, more);
    return configured && !never;
}

uint32_t got_count(void)
{
    return atomic_load(&redirected);
}

/* --- one module --------------------------------------------------------------------------------------------------- */

struct module {
    uintptr_t base, low, high;        /* load address; extent */
    uintptr_t relro_start, relro_end; /* read-only after relocation; whole pages */
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * tables[2];
    size_t counts[2];
};

/* The loader has made addresses of what the linker wrote, except in the vdso, which has no relocations. */
static bool read_dynamic(const ElfW(Dyn) * d, struct module *m)
{
    for (; readable(d, sizeof *d) && d->d_tag != DT_NULL; d++) {
        uintptr_t at = d->d_un.d_ptr < m->low ? m->base + d->d_un.d_ptr : d->d_un.d_ptr;
        switch (d->d_tag) {
        case DT_SYMTAB: m->symbols = (const void *)at; break;
        case DT_STRTAB: m->strings = (const void *)at; break;
        case DT_RELA: m->tables[0] = (const void *)at; break;
        case DT_RELASZ: m->counts[0] = d->d_un.d_val / sizeof(ElfW(Rela)); break;
        case DT_JMPREL: m->tables[1] = (const void *)at; break;
        case DT_PLTRELSZ: m->counts[1] = d->d_un.d_val / sizeof(ElfW(Rela)); break;
        case DT_PLTREL:
            if (d->d_un.d_val != DT_RELA)
                return false;
        }
    }
    return m->symbols && m->strings;
}

static bool read_module(const struct dl_phdr_info *info, struct module *m)
{
    const ElfW(Dyn) *dynamic = NULL;
    *m = (struct module){.base = info->dlpi_addr, .low = UINTPTR_MAX};
    if (!readable(info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr))
        return false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_DYNAMIC)
            dynamic = (const void *)start;
        if (p->p_type == PT_LOAD) {
            m->low = start < m->low ? start : m->low;
            m->high = start + p->p_memsz > m->high ? start + p->p_memsz : m->high;
        }
        if (p->p_type == PT_GNU_RELRO) { /* as the loader rounds it */
            m->relro_start = start & ~(PAGE_SIZE - 1);
            m->relro_end = (start + p->p_memsz) & ~(PAGE_SIZE - 1);
        }
    }
    return dynamic && m->high > m->low && read_dynamic(dynamic, m);
}

/* Is it the core itself? Its own calls go straight to libc. */
static bool is_ours(const struct module *m)
{
    uintptr_t here = (uintptr_t)&got_sync;
    return here >= m->low && here < m->high;
}

static bool is_read_only(const struct module *m, uintptr_t at)
{
    return at >= m->relro_start && at < m->relro_end;
}

/* The kernel joins nothing to the word, and says so where it may not write there. */
static bool is_writable(uintptr_t at)
{
    static uint32_t nobody;
    const int join_nothing = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0);
    return syscall(SYS_futex, &nobody, FUTEX_WAKE_OP_PRIVATE, 0, NULL, at, join_nothing) >= 0;
}

/* The loader is still writing into what it makes read-only when it is done: a page that is closed under it would end
 * the process. */
static bool is_being_loaded(const struct module *m)
{
    return m->relro_start < m->relro_end && is_writable(m->relro_start);
}

/* One store: other threads call through the slot meanwhile, and find the one or the other. What the host has closed
 * itself, or left open, stays so. */
static bool put(const struct module *m, uintptr_t at, uintptr_t value)
{
    bool closed = !is_writable(at);
    void *page = (void *)(at & ~(PAGE_SIZE - 1));
    if (closed && (!is_read_only(m, at) || mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE) != 0))
        return false;
    atomic_store_explicit((_Atomic uintptr_t *)at, value, memory_order_release);
    if (closed)
        mprotect(page, PAGE_SIZE, PROT_READ);
    return true;
}

static const struct redirection *find(const char *name)
{
    for (size_t i = 0; i < N_REDIRECTIONS; i++)
        if (strcmp(redirections[i].name, name) == 0)
            return &redirections[i];
    return NULL;
}

/* A slot that was not called through yet leads into the module's own PLT. Any other value is somebody's choice: a
 * host's own function, another interposer. */
static void redirect(const struct module *m, unsigned long type, uintptr_t at, const struct redirection *r)
{
    uintptr_t now = atomic_load_explicit((_Atomic uintptr_t *)at, memory_order_acquire);
    bool unbound = type == RELOCATION_SLOT && now >= m->low && now < m->high;
    bool free_to_take = r->theirs && (unbound || now == (uintptr_t)r->theirs);
    if (now == (uintptr_t)r->ours || (free_to_take && put(m, at, (uintptr_t)r->ours)))
        atomic_fetch_add(&redirected, 1);
}

static void restore(const struct module *m, uintptr_t at, const struct redirection *r)
{
    if (atomic_load_explicit((_Atomic uintptr_t *)at, memory_order_acquire) == (uintptr_t)r->ours)
        put(m, at, (uintptr_t)r->theirs);
}

static bool wanted_symbol(const struct module *m, const ElfW(Sym) * symbol)
{
    return readable(symbol, sizeof *symbol) && symbol->st_shndx == SHN_UNDEF &&
           readable_text(m->strings + symbol->st_name);
}

static void go_through(const struct module *m, bool on)
{
    for (int t = 0; t < 2; t++) {
        if (!m->tables[t] || !readable(m->tables[t], m->counts[t] * sizeof *m->tables[t]))
            continue;
        for (size_t i = 0; i < m->counts[t]; i++) {
            const ElfW(Rela) *rel = &m->tables[t][i];
            unsigned long type = ELF64_R_TYPE(rel->r_info);
            if ((type != RELOCATION_SLOT && type != RELOCATION_TABLE && type != RELOCATION_STORED) ||
                (type == RELOCATION_STORED && rel->r_addend))
                continue;
            const ElfW(Sym) *symbol = &m->symbols[ELF64_R_SYM(rel->r_info)];
            uintptr_t at = m->base + rel->r_offset;
            const struct redirection *r = wanted_symbol(m, symbol) ? find(m->strings + symbol->st_name) : NULL;
            if (!r || at % sizeof(uintptr_t) || at < m->low || at >= m->high)
                continue;
            if (on)
                redirect(m, type, at, r);
            else
                restore(m, at, r);
        }
    }
}

/* In a child the slots still lead to us, who pass on. */
static void after_fork_child(void)
{
    atomic_store(&wanted, 0);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

struct visit {
    bool on;
    bool all; /* were ready to be looked at */
};

/* Under the lock of the loader's list: what is looked at cannot be unloaded, but may still be being loaded. Nothing is
 * allocated. */
static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct visit *v = arg;
    struct module m;
    (void)size;
    if (!read_module(info, &m) || is_ours(&m))
        return 0;
    if (v->on && is_being_loaded(&m))
        v->all = false;
    else
        go_through(&m, v->on);
    return 0;
}

/* What everybody's lookup finds first; a stub of another `cprof run` that sleeps in this process included. */
static void find_theirs(void)
{
    for (size_t i = 0; i < N_REDIRECTIONS; i++) {
        struct redirection *r = &redirections[i];
        r->theirs = definition_of(r->name, NULL);
        if (r->next < 0 && r->theirs != definition_in("/libc.so.", r->name))
            r->theirs = NULL;
        if (r->next >= 0)
            memcpy((char *)&next + r->next, &r->theirs, sizeof r->theirs);
    }
}

bool got_sync(void)
{
    struct visit v = {.on = atomic_load(&wanted) > 0, .all = true};
    if (never || !configured || (!v.on && !started))
        return true;
    if (!started) {
        find_theirs();
        hooks_start(&next, configured);
        atfork_register(&fork_hooks);
        started = true;
    }
    atomic_store(&redirected, 0);
    dl_iterate_phdr(visit, &v);
    return v.all;
}
