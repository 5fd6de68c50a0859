#include "vars/grace.h"

#include "base/lock.h"
#include "base/slab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Threads spread over so many cells of a phase, each on a cache line of its own. */
#define STRIPES 8
#define CELLS   (2 * STRIPES)
#define ALL     ((1u << CELLS) - 1)

struct cell {
    _Alignas(64) _Atomic uint32_t readers;
};

/* Sound when it is all zeros. */
struct grace {
    struct cell cells[CELLS]; /* the first STRIPES are those of phase 0 */
    struct lock lock;         /* LOCK_VARS */
    _Atomic uint32_t phase;
    _Atomic(struct garbage *) fresh; /* retired since `aging` was closed */

    /* of the one thread that has set reclaiming */
    _Atomic uint32_t reclaiming;
    struct garbage *aging;
    uint32_t seen; /* cells that were at zero since aging was closed */
};

static _Atomic(struct grace *) own;

static void wipe(void)
{
    memset((void *)atomic_load(&own), 0, sizeof(struct grace));
}

/* Kernels before 4.14 cannot wipe: there libc's fork does it, and _Fork does not. */
static struct grace *make(void)
{
    struct grace *g = slab_pages(sizeof *g), *first = NULL;
    if (!g)
        return NULL;
    bool wiped = madvise(g, sizeof *g, MADV_WIPEONFORK) == 0;
    if (!atomic_compare_exchange_strong(&own, &first, g)) {
        slab_pages_free(g, sizeof *g);
        return first;
    }
    if (!wiped)
        pthread_atfork(NULL, NULL, wipe);
    return g;
}

struct grace *grace_own(void)
{
    struct grace *g = atomic_load_explicit(&own, memory_order_acquire);
    return g ? g : make();
}

/* All orders below are sequentially consistent: a reader's count comes before its first load, a look at the cells
 * after the store that put something out of reach. */
unsigned grace_enter(struct grace *g)
{
    uint32_t thread = (uint32_t)((uint64_t)(uintptr_t)pthread_self() * UINT64_C(0x9e3779b97f4a7c15) >> 61);
    unsigned cell = atomic_load(&g->phase) * STRIPES + thread;
    atomic_fetch_add(&g->cells[cell].readers, 1);
    return cell;
}

void grace_leave(struct grace *g, unsigned cell)
{
    atomic_fetch_sub(&g->cells[cell].readers, 1);
}

/* Once the phase that new readers avoid is empty the other one's turn comes: without turns a cell that is busy all the
 * time might never be seen at zero. */
static void look_at_cells(struct grace *g)
{
    for (unsigned i = 0; i < CELLS; i++)
        if (atomic_load(&g->cells[i].readers) == 0)
            g->seen |= 1u << i;
    uint32_t phase = atomic_load(&g->phase), avoided = ((1u << STRIPES) - 1) << (phase ? 0 : STRIPES);
    if ((g->seen & avoided) == avoided)
        atomic_store(&g->phase, !phase);
}

static struct garbage *reclaim(struct grace *g)
{
    struct garbage *dead = NULL;
    if (atomic_exchange(&g->reclaiming, 1))
        return NULL;
    if (!g->aging) {
        g->aging = atomic_exchange(&g->fresh, NULL);
        g->seen = 0;
    }
    look_at_cells(g);
    if (g->seen == ALL) {
        dead = g->aging;
        g->aging = NULL;
    }
    atomic_store(&g->reclaiming, 0);
    return dead;
}

void grace_retire(struct grace *g, struct garbage *old)
{
    if (!old)
        return;
    old->next = atomic_load(&g->fresh);
    while (!atomic_compare_exchange_weak(&g->fresh, &old->next, old))
        ;
    struct garbage *next;
    for (struct garbage *dead = reclaim(g); dead; dead = next) {
        next = dead->next;
        dead->free(dead);
    }
}

void grace_lock(struct grace *g)
{
    lock_take(&g->lock);
}

void grace_unlock(struct grace *g)
{
    lock_drop(&g->lock);
}
