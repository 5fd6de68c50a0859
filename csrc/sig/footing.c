#include "sig/footing.h"

#include <stdatomic.h>

/* A thread's sp moves over a few pages, and few threads run at once. */
#define PLACES_BITS 8
#define PAGES_BITS  16 /* 256 MiB of one stack */

/* The number of the page in the upper bits, how many pages are known in the lower ones: one word, written whole. */
static _Atomic uint64_t known[1 << PLACES_BITS];
static _Atomic bool any;

static _Atomic uint64_t *place_of(uint64_t page)
{
    return &known[page * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PLACES_BITS)];
}

struct saferead footing_at(uint64_t sp)
{
    uint64_t page = sp / SAFEREAD_PAGE, entry = atomic_load_explicit(place_of(page), memory_order_relaxed);
    if (entry >> PAGES_BITS != page)
        return (struct saferead){0};
    uint64_t low = page * SAFEREAD_PAGE, pages = entry & ((1u << PAGES_BITS) - 1);
    return (struct saferead){low, low + pages * SAFEREAD_PAGE};
}

void footing_keep(uint64_t sp, const struct saferead *found)
{
    uint64_t page = sp / SAFEREAD_PAGE, pages = found->high / SAFEREAD_PAGE - page;
    if (found->low > sp || found->high <= sp || pages >> PAGES_BITS || page >> (64 - PAGES_BITS))
        return;
    uint64_t entry = page << PAGES_BITS | pages;
    if (atomic_load_explicit(place_of(page), memory_order_relaxed) == entry)
        return;
    atomic_store_explicit(place_of(page), entry, memory_order_relaxed);
    atomic_store_explicit(&any, true, memory_order_release);
}

void footing_forget(void)
{
    if (!atomic_exchange_explicit(&any, false, memory_order_acquire))
        return;
    for (unsigned i = 0; i < 1u << PLACES_BITS; i++)
        atomic_store_explicit(&known[i], 0, memory_order_relaxed);
}
