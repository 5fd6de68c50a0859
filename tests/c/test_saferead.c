/* Reads of memory that may not be there: readable, unreadable, at the edges, and errno-free of consequence. */
#include "check.h"
#include "sig/saferead.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t base = (uint64_t)(uintptr_t)two, value = 0;
    struct saferead s = {0};
    sigset_t before, after;
    sigprocmask(SIG_SETMASK, NULL, &before);

    for (size_t i = 0; i < 2 * page / 8; i++)
        ((uint64_t *)two)[i] = i;
    mprotect(two + 2 * page, page, PROT_NONE);

    for (size_t i = 0; i < 2 * page / 8; i++) {
        CHECK(saferead_u64(&s, base + 8 * i, &value));
        CHECK(value == i);
    }
    CHECK(!saferead_u64(&s, base + 2 * page, &value));
    CHECK(!saferead_u64(&s, base + 2 * page - 4, &value)); /* unaligned: would straddle */
    CHECK(saferead_u64(&s, base, &value));                 /* backwards works too */
    CHECK(!saferead_u64(&s, 0, &value));
    CHECK(!saferead_u64(&s, 8, &value));
    CHECK(!saferead_u64(&s, UINT64_MAX - 7, &value));
    CHECK(!saferead_u64(&s, UINT64_C(0x8000000000000000), &value)); /* not canonical */

    sigprocmask(SIG_SETMASK, NULL, &after); /* the question goes through rt_sigprocmask and must change nothing */
    CHECK(memcmp(&before, &after, 8) == 0);
    return check_done();
}
