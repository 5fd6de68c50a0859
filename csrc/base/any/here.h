/* The registers of the function that asks, at this instruction: where a walk of its own stack begins. */
#ifndef CPROF_BASE_ANY_HERE_H
#define CPROF_BASE_ANY_HERE_H

#include <stdint.h>

struct here {
    uint64_t pc, sp, fp;
    uint64_t lr; /* aarch64: the return address may be nowhere else yet; 0 on x86-64 */
};

/* HERE_NOW(&h), a macro: an inlined function would be a frame of its own. Through memory: a register that is written
 * could be one that is still to be read. */
#if defined(__x86_64__)
#define HERE_NOW(h)                                                                                                    \
    __asm__ volatile("leaq 0(%%rip), %%rax\n\t"                                                                        \
                     "movq %%rax, %0\n\t"                                                                              \
                     "movq %%rsp, %1\n\t"                                                                              \
                     "movq %%rbp, %2"                                                                                  \
                     : "=m"((h)->pc), "=m"((h)->sp), "=m"((h)->fp)                                                     \
                     :                                                                                                 \
                     : "rax")
#elif defined(__aarch64__)
#define HERE_NOW(h)                                                                                                    \
    __asm__ volatile("adr x9, .\n\t"                                                                                   \
                     "str x9, %0\n\t"                                                                                  \
                     "mov x9, sp\n\t"                                                                                  \
                     "str x9, %1\n\t"                                                                                  \
                     "str x29, %2\n\t"                                                                                 \
                     "str x30, %3"                                                                                     \
                     : "=m"((h)->pc), "=m"((h)->sp), "=m"((h)->fp), "=m"((h)->lr)                                      \
                     :                                                                                                 \
                     : "x9")
#else
#error "cprof supports x86-64 and aarch64"
#endif

#endif
