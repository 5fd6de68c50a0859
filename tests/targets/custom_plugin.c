/* Loaded late: its code is in no table yet when it adds its first value, in its constructor or after. */
#include <cprof.h>

__attribute__((noinline)) int plugin_add(struct cprof_profile *p, void *v)
{
    int status = cprof_profile_add(p, v, 1);
    __asm__ volatile("" ::: "memory");
    return status;
}

__attribute__((constructor)) static void begin(void)
{
    plugin_add(cprof_profile_new("of a constructor"), (void *)0);
}
