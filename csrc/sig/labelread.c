#include "sig/labelread.h"

#include "base/any/labelword.h"
#include "base/any/rawcall.h"
#include "sig/saferead.h"

#include <sys/auxv.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#include <asm/prctl.h>

#define HWCAP2_FSGSBASE 2u

static bool has_rdfsbase;

void labelread_prepare(void)
{
    has_rdfsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
}

/* The register, and not what lies there, as %fs:0 would be. Whoever starts a program under a filter for system calls
 * has to allow this one: libc begins with it. */
static uintptr_t thread_pointer(void)
{
    uintptr_t pointer = 0;
    if (has_rdfsbase)
        __asm__("rdfsbase %0" : "=r"(pointer));
    else
        rawcall4(SYS_arch_prctl, ARCH_GET_FS, (long)(uintptr_t)&pointer, 0, 0);
    return pointer;
}
#else
void labelread_prepare(void)
{
}

static uintptr_t thread_pointer(void)
{
    return label_thread_pointer();
}
#endif

uint32_t labelread(int32_t tid)
{
    const struct label_place *place = atomic_load_explicit(&label_place, memory_order_acquire);
    if (!place || !atomic_load_explicit(&place->used, memory_order_relaxed))
        return 0;
    struct saferead read = {0};
    uint64_t bits;
    if (!saferead_u64(&read, thread_pointer() + (uint64_t)place->offset, &bits))
        return 0;
    return label_tid_in(bits) == tid ? label_set_in(bits) : 0;
}
