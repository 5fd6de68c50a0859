/*
 * Rows remembered by pc: what comes back is what was put, for that pc and no other. An entry that told one bit of the
 * pc too little gave callers the row of their neighbour's.
 */
#include "base/any/random.h"
#include "check.h"
#include "sig/memo.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 4
#define TURNS   400000
#define KEYS    9000 /* more than there are places */

static struct rows_memo memo;

static bool same(const struct row *a, const struct row *b)
{
    return a->cfa == b->cfa && a->cfa_offset == b->cfa_offset && a->ra_offset == b->ra_offset &&
           a->fp_offset == b->fp_offset;
}

static void what_is_packed_comes_back(void)
{
    static const int16_t fps[] = {ROW_UNCHANGED, ROW_FP_IN_PLACE, -8, -16, -24, -400, -8176};
    static const uint8_t kinds[] = {ROW_SP, ROW_FP};
    for (size_t k = 0; k < 2; k++) {
        for (int32_t cfa = 0; cfa < 65536; cfa += 8) {
            for (size_t f = 0; f < sizeof fps / sizeof *fps; f++) {
                struct row row = {.cfa = kinds[k], .cfa_offset = cfa, .ra_offset = -8, .fp_offset = fps[f]}, back;
                uint32_t packed = memo_pack(&row);
                memo_unpack(packed, &back);
                if (!packed || packed >> MEMO_ROW_BITS || !same(&row, &back)) {
                    CHECK_INT(packed, -1);
                    return;
                }
            }
        }
    }
    struct row leaf = {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = ROW_UNCHANGED, .fp_offset = ROW_UNCHANGED}, back;
    struct row arm = {.cfa = ROW_SP, .cfa_offset = 48, .ra_offset = -40, .fp_offset = -48};
    struct row end = {.cfa = ROW_END};
    memo_unpack(memo_pack(&leaf), &back);
    CHECK(same(&leaf, &back));
    memo_unpack(memo_pack(&arm), &back);
    CHECK(same(&arm, &back));
    memo_unpack(memo_pack(&end), &back);
    CHECK_INT(back.cfa, ROW_END);
}

/* They are searched for each time; packing a part of them would be another row. */
static void what_does_not_fit_is_not_packed(void)
{
    const struct row rows[] = {
        {.cfa = ROW_NONE},
        {.cfa = ROW_SIGNAL},
        {.cfa = ROW_BX, .cfa_offset = 16, .ra_offset = -8, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_PLT, .cfa_offset = 11, .ra_offset = -8, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_SP, .cfa_offset = 65536, .ra_offset = -8, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_SP, .cfa_offset = 12, .ra_offset = -8, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_SP, .cfa_offset = -8, .ra_offset = -8, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = -16, .fp_offset = ROW_UNCHANGED},
        {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = -8, .fp_offset = 0},
        {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = -8, .fp_offset = 8},
        {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = -8, .fp_offset = -12},
        {.cfa = ROW_SP, .cfa_offset = 16, .ra_offset = -8, .fp_offset = -8184},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(memo_pack(&rows[i]), 0);
}

static struct row row_of(uint64_t key)
{
    uint64_t state = key;
    return (struct row){.cfa = ROW_SP,
                        .cfa_offset = 8 * (int32_t)random_upto(&state, 8000),
                        .ra_offset = -8,
                        .fp_offset = (int16_t)(-8 * (int)random_upto(&state, 1000))};
}

/* In a few pages, so that keys are each other's neighbours, and in pages that share their places. */
static uint64_t some_key(uint64_t *state)
{
    uint64_t n = random_upto(state, KEYS), page = random_upto(state, 3);
    return UINT64_C(0x7a0000000000) + (page << 40) + n;
}

static void *put_and_get(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < TURNS; i++) {
        uint64_t key = some_key(&state);
        uint32_t packed = memo_get(&memo, key);
        struct row right = row_of(key), got;
        if (packed) {
            memo_unpack(packed, &got);
            if (!same(&got, &right))
                return arg;
        }
        memo_put(&memo, key, &right);
    }
    return NULL;
}

static void what_many_write_at_once_is_right(void)
{
    pthread_t threads[THREADS];
    void *wrong;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, put_and_get, (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        CHECK(!wrong);
    }
}

static void a_pc_beyond_48_bits_is_not_remembered(void)
{
    struct row row = row_of(1);
    memset((void *)&memo, 0, sizeof memo);
    memo_put(&memo, UINT64_C(0xffffffffff600008), &row);
    CHECK_INT(memo_get(&memo, UINT64_C(0xffffffffff600008)), 0);
    memo_put(&memo, UINT64_C(0xffffff600008), &row);
    CHECK(memo_get(&memo, UINT64_C(0xffffff600008)) != 0);
    CHECK_INT(memo_get(&memo, UINT64_C(0xffffffffff600008)), 0);
    CHECK_INT(memo_get(&memo, UINT64_C(0xffffff600009)), 0);
}

/* Two that share their first place do not push each other out; a memo of which half is lost would be slow, not wrong.
 */
static void two_with_one_place_are_both_remembered(void)
{
    struct row row = row_of(1);
    memset((void *)&memo, 0, sizeof memo);
    memo_put(&memo, 0x401234, &row);
    memo_put(&memo, 0x501234, &row);
    CHECK(memo_get(&memo, 0x401234) && memo_get(&memo, 0x501234));
    CHECK_INT(memo_get(&memo, 0x401a34), 0);
}

int main(void)
{
    what_is_packed_comes_back();
    what_does_not_fit_is_not_packed();
    what_many_write_at_once_is_right();
    a_pc_beyond_48_bits_is_not_remembered();
    two_with_one_place_are_both_remembered();
    return check_done();
}
