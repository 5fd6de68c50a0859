#include "sampler/memstats.h"

#include "base/atfork.h"
#include "base/clock.h"
#include "base/definition.h"
#include "base/lock.h"
#include "base/pace.h"
#include "sampler/cpu.h"
#include "sampler/procself.h"

#include <dlfcn.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* What mallinfo2 and mallinfo return: libc's header may be older than the one, and warns of the other. */
struct sizes {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct ints {
    unsigned arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

/* Many times what a holder of the lock needs. */
#define PATIENCE_NS INT64_C(1000000)

struct heap {
    uint64_t mapped, used, free;
    int64_t at_ns;
};

/* Go's size classes below its limit for BySize. */
static const uint16_t class_sizes[MEMSTATS_CLASSES] = {
    0,    8,    16,   24,   32,   48,   64,    80,    96,    112,   128,   144,   160,  176,  192,  208,
    224,  240,  256,  288,  320,  352,  384,   416,   448,   480,   512,   576,   640,  704,  768,  896,
    1024, 1152, 1280, 1408, 1536, 1792, 2048,  2304,  2688,  3072,  3200,  3456,  4096, 4864, 5376, 6144,
    6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432};

/* Known since the core was loaded. At most one. */
static struct sizes (*ask_sizes)(void);
static struct ints (*ask_ints)(void);

static struct pace heap_pace;

static struct lock lock = LOCK_INIT(LOCK_LEAF);

/* guarded by lock */
static struct heap heap;
static struct {
    uint64_t n, forced, total_ns, last_end;
    uint64_t ns[MEMSTATS_PAUSES], end[MEMSTATS_PAUSES];
} gc;

/* What was half-written when the parent forked is one pause at most. */
static void after_fork_child(void)
{
    lock_reset_after_fork(&lock);
    pace_reset(&heap_pace);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

static const void *module_of(const void *address)
{
    Dl_info info;
    return address && dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* Where another allocator took malloc's place glibc would tell of a heap that nobody uses. Under the loader's lock,
 * like every constructor of a library that is opened: when something is asked for later, nobody waits for it. */
__attribute__((constructor)) static void find_allocator(void)
{
    const void *owner = module_of(definition_of("malloc", NULL));
    void *sizes = definition_of("mallinfo2", NULL), *ints = definition_of("mallinfo", NULL);
    if (owner && module_of(sizes) == owner)
        memcpy(&ask_sizes, &sizes, sizeof sizes);
    else if (owner && module_of(ints) == owner)
        memcpy(&ask_ints, &ints, sizeof ints);
}

bool memstats_knows_heap(void)
{
    return ask_sizes || ask_ints;
}

static struct heap ask_allocator(void)
{
    struct heap h = {.at_ns = clock_ns(CLOCK_MONOTONIC)};
    if (ask_sizes) {
        struct sizes s = ask_sizes();
        h = (struct heap){s.hblkhd, s.uordblks, s.fordblks, h.at_ns};
    } else if (ask_ints) { /* which wrap at 4 GiB */
        struct ints s = ask_ints();
        h = (struct heap){s.hblkhd, s.uordblks, s.fordblks, h.at_ns};
    }
    return h;
}

/* Who comes while the very first answer is being fetched fetches one too: there is none to give. */
static void refresh_heap(void)
{
    bool paced = pace_begin(&heap_pace);
    if (!paced && pace_was_done(&heap_pace))
        return;
    struct heap h = ask_allocator();
    lock_take(&lock);
    if (h.at_ns > heap.at_ns)
        heap = h;
    lock_drop(&lock);
    if (paced)
        pace_end(&heap_pace);
}

static void fill_heap(struct memstats *out)
{
    refresh_heap();
    lock_take(&lock);
    struct heap h = heap;
    lock_drop(&lock);
    out->heap_idle = h.free;
    out->heap_inuse = h.used + h.mapped;
    out->heap_sys = out->heap_idle + out->heap_inuse;
    out->alloc = out->heap_alloc = out->heap_inuse;
    out->heap_age_ns = clock_ns(CLOCK_MONOTONIC) - h.at_ns;
}

static double cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void fill_gc(struct memstats *out)
{
    lock_take(&lock);
    memcpy(out->pause_ns, gc.ns, sizeof gc.ns);
    memcpy(out->pause_end, gc.end, sizeof gc.end);
    out->num_gc = gc.n;
    out->num_forced_gc = gc.forced;
    out->pause_total_ns = gc.total_ns;
    out->last_gc = gc.last_end;
    lock_drop(&lock);
    double up_ns = out->num_gc ? procself_uptime_seconds() * 1e9 * cpus() : 0;
    out->gc_cpu_fraction = up_ns > 0 ? (double)out->pause_total_ns / up_ns : 0;
    out->enable_gc = true;
}

/* Sys is the sum of the others, and OtherSys what the kernel knows beyond them: numbers of different moments must not
 * make it negative. */
static void fill_rest(struct memstats *out)
{
    struct procself self;
    struct cpu_stats ours = {0};
    struct rusage usage;
    procself_read(&self);
    cpu_stats(&ours);
    out->stack_inuse = out->stack_sys = self.stack_bytes;
    out->buck_hash_sys = ours.bytes;
    uint64_t known = out->heap_sys + out->stack_sys + out->buck_hash_sys, all = self.data_bytes + self.stack_bytes;
    out->other_sys = all > known ? all - known : 0;
    out->sys = known + out->other_sys;
    out->max_rss = getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss << 10 : 0;
}

void memstats_read(struct memstats *out)
{
    atfork_register(&fork_hooks);
    *out = (struct memstats){0};
    fill_heap(out);
    fill_gc(out);
    fill_rest(out);
    for (int i = 0; i < MEMSTATS_CLASSES; i++)
        out->by_size[i].size = class_sizes[i];
}

/* In a child of _Fork() there may be no holder, and nobody may have noticed yet: asking the kernel each time would cost
 * more than all the rest. */
static void take_lock(void)
{
    if (lock_take_within(&lock, PATIENCE_NS))
        return;
    atfork_settle();
    lock_take(&lock);
}

void memstats_gc(int64_t start_ns, int64_t end_ns, bool forced)
{
    uint64_t pause = end_ns > start_ns ? (uint64_t)(end_ns - start_ns) : 0;
    atfork_register(&fork_hooks);
    take_lock();
    gc.ns[gc.n % MEMSTATS_PAUSES] = pause;
    gc.end[gc.n % MEMSTATS_PAUSES] = (uint64_t)end_ns;
    gc.n++;
    gc.forced += forced;
    gc.total_ns += pause;
    gc.last_end = (uint64_t)end_ns;
    lock_drop(&lock);
}
