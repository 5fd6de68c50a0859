#include "sig/callsite.h"

#include "sig/saferead.h"

#include <stddef.h>
#include <string.h>

#define BEFORE 8u

/* The bytes before pc, which stand in one or two aligned words. */
static bool read_before(uint64_t pc, uint8_t *bytes)
{
    struct saferead memory = {0};
    uint64_t words[2] = {0}, from = pc - BEFORE, low = from & ~UINT64_C(7);
    if (pc < BEFORE || !saferead_u64(&memory, low, &words[0]) ||
        (from != low && !saferead_u64(&memory, low + 8, &words[1])))
        return false;
    memcpy(bytes, (const uint8_t *)words + (from - low), BEFORE);
    return true;
}

#if defined(__x86_64__)

/* E8 and four bytes, or FF with 2 in the middle of the byte that follows, which may have 0, 1, 2, 4 or 5 more. */
bool callsite_is(uint64_t pc)
{
    static const uint8_t lengths[] = {2, 3, 4, 6, 7};
    uint8_t bytes[BEFORE];
    if (!read_before(pc, bytes))
        return false;
    for (size_t i = 0; i < sizeof lengths; i++)
        if (bytes[BEFORE - lengths[i]] == 0xff && (bytes[BEFORE - lengths[i] + 1] & 0x38) == 0x10)
            return true;
    return bytes[BEFORE - 5] == 0xe8;
}

#elif defined(__aarch64__)

/* BL, BLR, and BLR with an authenticated pointer. */
bool callsite_is(uint64_t pc)
{
    uint8_t bytes[BEFORE];
    uint32_t word;
    if (pc & 3 || !read_before(pc, bytes))
        return false;
    memcpy(&word, bytes + BEFORE - sizeof word, sizeof word);
    return (word & 0xfc000000u) == 0x94000000u || (word & 0xfefff000u) == 0xd63f0000u;
}

#endif
