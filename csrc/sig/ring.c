#include "sig/ring.h"

#include <sys/mman.h>

bool ring_init(struct ring *r, size_t slots)
{
    void *memory =
        mmap(NULL, slots * sizeof(struct ring_slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    madvise(memory, slots * sizeof(struct ring_slot), MADV_WIPEONFORK); /* kernels before 4.14 copy it */
    r->slots = memory;
    r->mask = slots - 1;
    ring_reset(r);
    return true;
}

void ring_reset(struct ring *r)
{
    for (uint64_t i = 0; i <= r->mask; i++)
        atomic_store_explicit(&r->slots[i].seq, i, memory_order_relaxed);
    atomic_store_explicit(&r->head, 0, memory_order_relaxed);
    r->tail = 0;
}

struct ring_slot *ring_begin(struct ring *r)
{
    uint64_t position = atomic_load_explicit(&r->head, memory_order_relaxed);
    for (int i = 0; i < RING_TRIES; i++) {
        struct ring_slot *slot = &r->slots[position & r->mask];
        uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
        if (seq == position) {
            if (atomic_compare_exchange_strong_explicit(&r->head, &position, position + 1, memory_order_relaxed,
                                                        memory_order_relaxed)) {
                slot->position = position;
                return slot;
            }
        } else if (seq < position) {
            return NULL; /* the reader is a whole lap behind */
        } else {
            position = atomic_load_explicit(&r->head, memory_order_relaxed);
        }
    }
    return NULL;
}

void ring_commit(struct ring_slot *slot)
{
    atomic_store_explicit(&slot->seq, slot->position + 1, memory_order_release);
}

enum ring_state ring_take(struct ring *r, void (*fn)(void *arg, const struct record *record), void *arg)
{
    struct ring_slot *slot = &r->slots[r->tail & r->mask];
    if (atomic_load_explicit(&slot->seq, memory_order_acquire) != r->tail + 1)
        return atomic_load_explicit(&r->head, memory_order_relaxed) == r->tail ? RING_EMPTY : RING_UNFINISHED;
    fn(arg, &slot->record);
    atomic_store_explicit(&slot->seq, r->tail + r->mask + 1, memory_order_release);
    r->tail++;
    return RING_TAKEN;
}
