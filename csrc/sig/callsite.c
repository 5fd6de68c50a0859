#include "sig/callsite.h"

#include "sig/saferead.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define BEFORE 8u

/* The bytes before pc, out of the word that holds the last of them and the one before; that one may not be there. */
static bool read_before(uint64_t pc, uint8_t *bytes)
{
    struct saferead memory = {0};
    uint64_t words[2] = {0}, last = (pc - 1) & ~UINT64_C(7);
    if (pc < 2 * BEFORE || !saferead_u64(&memory, last, &words[1]))
        return false;
    (void)saferead_u64(&memory, last - 8, &words[0]);
    memcpy(bytes, (const uint8_t *)words + (pc - last), BEFORE);
    return true;
}

#if defined(__x86_64__)

/* E8 and four bytes, or FF with 2 in the middle of the byte that follows, which may have 0, 1, 2, 4 or 5 more. */
enum callsite callsite_before(uint64_t pc)
{
    static const uint8_t lengths[] = {2, 3, 4, 6, 7};
    uint8_t bytes[BEFORE];
    if (!read_before(pc, bytes))
        return CALLSITE_NONE;
    if (bytes[BEFORE - 5] == 0xe8)
        return CALLSITE_DIRECT;
    for (size_t i = 0; i < sizeof lengths; i++)
        if (bytes[BEFORE - lengths[i]] == 0xff && (bytes[BEFORE - lengths[i] + 1] & 0x38) == 0x10)
            return CALLSITE_INDIRECT;
    return CALLSITE_NONE;
}

#elif defined(__aarch64__)

/* BL, BLR, and BLR with an authenticated pointer. */
enum callsite callsite_before(uint64_t pc)
{
    uint8_t bytes[BEFORE];
    uint32_t word;
    if (pc & 3 || !read_before(pc, bytes))
        return CALLSITE_NONE;
    memcpy(&word, bytes + BEFORE - sizeof word, sizeof word);
    if ((word & 0xfc000000u) == 0x94000000u)
        return CALLSITE_DIRECT;
    return (word & 0xfefff000u) == 0xd63f0000u ? CALLSITE_INDIRECT : CALLSITE_NONE;
}

#endif
