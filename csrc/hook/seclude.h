/* A host that puts itself under a seccomp filter: before it does, cprof goes quiet. */
#ifndef CPROF_HOOK_SECLUDE_H
#define CPROF_HOOK_SECLUDE_H

int seclude_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
long seclude_syscall(long number, long a, long b, long c, long d, long e, long f);

#endif
