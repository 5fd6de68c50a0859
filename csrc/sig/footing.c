#include "sig/footing.h"

#include <stdatomic.h>

/* A thread's sp moves over a few pages, and few threads run at once. */
#define PLACES_BITS 8
#define PAGES_BITS  15 /* 128 MiB of one stack */
#define LATER_BIT   PAGES_BITS
#define PAGE_SHIFT  (PAGES_BITS + 1)

/* One word, written whole: the number of the page that sp is in; whether what is known begins with the next one, since
 * nothing was read in that of sp itself; how many pages are known. */
static _Atomic uint64_t known[1 << PLACES_BITS];
static _Atomic bool any;
static _Atomic uint32_t forgotten;

static _Atomic uint64_t *place_of(uint64_t page)
{
    return &known[page * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PLACES_BITS)];
}

uint32_t footing_time(void)
{
    return atomic_load_explicit(&forgotten, memory_order_acquire);
}

struct saferead footing_at(uint64_t sp)
{
    uint64_t page = sp / SAFEREAD_PAGE, entry = atomic_load_explicit(place_of(page), memory_order_relaxed);
    if (entry >> PAGE_SHIFT != page)
        return (struct saferead){0};
    uint64_t first = page + (entry >> LATER_BIT & 1), pages = entry & ((1u << PAGES_BITS) - 1);
    return (struct saferead){first * SAFEREAD_PAGE, (first + pages) * SAFEREAD_PAGE};
}

void footing_keep(uint64_t sp, const struct saferead *found, uint32_t time)
{
    uint64_t page = sp / SAFEREAD_PAGE, first = found->low / SAFEREAD_PAGE;
    uint64_t pages = found->high / SAFEREAD_PAGE - first, later = first - page;
    if (later > 1 || found->high <= sp || pages >> PAGES_BITS || page >> (64 - PAGE_SHIFT))
        return;
    uint64_t entry = page << PAGE_SHIFT | later << LATER_BIT | pages;
    if (atomic_load_explicit(place_of(page), memory_order_relaxed) == entry || footing_time() != time)
        return;
    atomic_store_explicit(place_of(page), entry, memory_order_relaxed);
    atomic_store_explicit(&any, true, memory_order_release);
}

void footing_forget(void)
{
    atomic_fetch_add_explicit(&forgotten, 1, memory_order_acq_rel);
    if (!atomic_exchange_explicit(&any, false, memory_order_acquire))
        return;
    for (unsigned i = 0; i < 1u << PLACES_BITS; i++)
        atomic_store_explicit(&known[i], 0, memory_order_relaxed);
}
