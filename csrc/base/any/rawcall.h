/*
 * A system call without errno: libc's wrappers write it through the thread pointer, which a thread made by a bare
 * clone() may share with another thread, or not have at all.
 */
#ifndef CPROF_BASE_ANY_RAWCALL_H
#define CPROF_BASE_ANY_RAWCALL_H

/* The result, or -errno. */
static inline long rawcall4(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
#error "cprof supports x86-64 and aarch64"
#endif
}

#endif
