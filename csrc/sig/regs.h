/* The registers a native walk needs, out of the context that the kernel hands to a signal handler. */
#ifndef CPROF_SIG_REGS_H
#define CPROF_SIG_REGS_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

struct regs {
    uint64_t pc, sp, fp;
    uint64_t lr;      /* aarch64: the return address of a function that has not stored it yet; 0 on x86-64 */
    uint64_t context; /* where the kernel saved all of them (a ucontext_t); 0 where it did not */
};

#if defined(__x86_64__)

/* DWARF register numbers of the psABI. */
#define REGS_DWARF_SP 7
#define REGS_DWARF_FP 6
#define REGS_DWARF_RA 16
#define REGS_DWARF_BX 3
/* From sp, at the return of a signal handler, to the saved context. */
#define REGS_SIGNAL_FRAME_UCONTEXT 0
#define REGS_RETURN_ADDRESS(word)  (word)

static inline struct regs regs_from_ucontext(const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    return (struct regs){
        .pc = (uint64_t)g[REG_RIP],
        .sp = (uint64_t)g[REG_RSP],
        .fp = (uint64_t)g[REG_RBP],
        .context = (uint64_t)(uintptr_t)uc,
    };
}

#define REGS_NUMBERED 16

/* From a ucontext to the register of that DWARF number. */
static inline uint64_t regs_offset_of(unsigned number)
{
    static const uint8_t greg[REGS_NUMBERED] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return offsetof(ucontext_t, uc_mcontext.gregs) + 8 * (uint64_t)greg[number % REGS_NUMBERED];
}

#define REGS_UCONTEXT_PC (offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]))
#define REGS_UCONTEXT_SP (offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]))
#define REGS_UCONTEXT_FP (offsetof(ucontext_t, uc_mcontext.gregs[REG_RBP]))

#elif defined(__aarch64__)

#define REGS_DWARF_SP              31
#define REGS_DWARF_FP              29
#define REGS_DWARF_RA              30
#define REGS_DWARF_BX              255 /* none: only x86-64 needs it */
/* struct rt_sigframe begins with a siginfo_t of 128 bytes. */
#define REGS_SIGNAL_FRAME_UCONTEXT 128
/* Stored return addresses may be signed (pointer authentication) in the bits above the address space. */
#define REGS_RETURN_ADDRESS(word)  ((word) & ((UINT64_C(1) << 48) - 1))

static inline struct regs regs_from_ucontext(const ucontext_t *uc)
{
    return (struct regs){
        .pc = uc->uc_mcontext.pc,
        .sp = uc->uc_mcontext.sp,
        .fp = uc->uc_mcontext.regs[29],
        .lr = uc->uc_mcontext.regs[30],
        .context = (uint64_t)(uintptr_t)uc,
    };
}

#define REGS_NUMBERED 31

static inline uint64_t regs_offset_of(unsigned number)
{
    return offsetof(ucontext_t, uc_mcontext.regs) + 8 * (uint64_t)(number % REGS_NUMBERED);
}

#define REGS_UCONTEXT_PC (offsetof(ucontext_t, uc_mcontext.pc))
#define REGS_UCONTEXT_SP (offsetof(ucontext_t, uc_mcontext.sp))
#define REGS_UCONTEXT_FP (offsetof(ucontext_t, uc_mcontext.regs[29]))
#define REGS_UCONTEXT_LR (offsetof(ucontext_t, uc_mcontext.regs[30]))

#else
#error "cprof supports x86-64 and aarch64"
#endif

#endif
