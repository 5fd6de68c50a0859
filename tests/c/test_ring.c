/* The ring between handlers and drainer: order, fullness, many writers at once, an unfinished slot. */
#include "check.h"
#include "sig/ring.h"

#include <pthread.h>

#define SLOTS   64
#define WRITERS 4
#define EACH    20000

static struct ring ring;

static void take_depth(void *arg, const struct record *r)
{
    *(int *)arg = r->depth;
}

static bool put(uint16_t depth)
{
    struct ring_slot *slot = ring_begin(&ring);
    if (!slot)
        return false;
    slot->record.depth = depth;
    ring_commit(slot);
    return true;
}

static void keeps_order_and_drops_when_full(void)
{
    int got = 0;
    CHECK(ring_take(&ring, take_depth, &got) == RING_EMPTY);
    for (uint16_t i = 0; i < SLOTS; i++)
        CHECK(put(i));
    CHECK(!put(99));
    for (int i = 0; i < SLOTS; i++) {
        CHECK(ring_take(&ring, take_depth, &got) == RING_TAKEN);
        CHECK_INT(got, i);
    }
    CHECK(ring_take(&ring, take_depth, &got) == RING_EMPTY);
    CHECK(put(1)); /* the next lap */
    CHECK(ring_take(&ring, take_depth, &got) == RING_TAKEN);
}

static void waits_for_an_unfinished_slot(void)
{
    int got = 0;
    struct ring_slot *slot = ring_begin(&ring);
    CHECK(put(7));
    CHECK(ring_take(&ring, take_depth, &got) == RING_UNFINISHED);
    slot->record.depth = 6;
    ring_commit(slot);
    CHECK(ring_take(&ring, take_depth, &got) == RING_TAKEN);
    CHECK_INT(got, 6);
    CHECK(ring_take(&ring, take_depth, &got) == RING_TAKEN);
    CHECK_INT(got, 7);
}

static _Atomic long written, dropped;
static _Atomic int writing;

static void *write_many(void *arg)
{
    int32_t me = (int32_t)(intptr_t)arg;
    for (int i = 0; i < EACH; i++) {
        struct ring_slot *slot = ring_begin(&ring);
        if (!slot) {
            dropped++;
            continue;
        }
        slot->record.tid = me;
        slot->record.depth = RECORD_MAX_FRAMES;
        for (int k = 0; k < RECORD_MAX_FRAMES; k++)
            slot->record.pc[k] = (uint64_t)me << 32 | (uint64_t)i;
        ring_commit(slot);
        written++;
    }
    writing--;
    return NULL;
}

struct reader {
    long taken;
    uint64_t last[WRITERS];
    int torn, disorder;
};

static void check_record(void *arg, const struct record *r)
{
    struct reader *reader = arg;
    reader->taken++;
    for (int k = 1; k < RECORD_MAX_FRAMES; k++)
        reader->torn += r->pc[k] != r->pc[0];
    reader->torn += r->pc[0] >> 32 != (uint64_t)r->tid;
    reader->disorder += r->pc[0] < reader->last[r->tid];
    reader->last[r->tid] = r->pc[0];
}

static void survives_many_writers(void)
{
    pthread_t threads[WRITERS];
    struct reader reader = {0};
    writing = WRITERS;
    for (intptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_many, (void *)i);
    while (writing || ring_take(&ring, check_record, &reader) != RING_EMPTY)
        ring_take(&ring, check_record, &reader);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(reader.taken, written);
    CHECK_INT(written + dropped, (long)WRITERS * EACH);
    CHECK_INT(reader.torn, 0);
    CHECK_INT(reader.disorder, 0);
}

int main(void)
{
    CHECK(ring_init(&ring, SLOTS));
    keeps_order_and_drops_when_full();
    waits_for_an_unfinished_slot();
    survives_many_writers();
    return check_done();
}
