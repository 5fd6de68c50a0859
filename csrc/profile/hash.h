/*
 * Hashing for the interning tables: multiply and fold, 8 bytes at a time. Seeded per process, so that a
 * hostile file cannot be made to collide; the seed never shows, since ids follow the order of first use.
 */
#ifndef CPROF_PROFILE_HASH_H
#define CPROF_PROFILE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    __uint128_t product = (__uint128_t)(hash ^ word ^ 0xa0761d6478bd642fULL) * 0xe7037ed1a0b428dbULL;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const char *at = bytes;
    size_t left = n;
    uint64_t word;
    for (; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = hash_word(hash, word);
    }
    word = 0;
    if (left)
        memcpy(&word, at, left);
    return hash_word(hash_word(hash, word), n);
}

/* The kernel's 16 random bytes of this process. */
static inline uint64_t hash_seed(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    return random ? hash_bytes(0, random, 16) : 0;
}

#endif
