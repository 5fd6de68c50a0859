#include "sampler/modules.h"

#include "base/any/readable.h"
#include "base/atfork.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/slab.h"
#include "hook/got.h"
#include "sampler/ehframe.h"
#include "sampler/vacated.h"
#include "sig/footing.h"
#include "sig/memo.h"
#include "sig/rows.h"
#include "sig/tick.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_EHFRAME_BYTES ((size_t)256 << 20) /* Chromium's is 20 MiB */
#define MAX_RETIRED       64                  /* replaced maps that wait for a quiet moment */
#define PASSES_MAX        8

/* After a walk asked in vain: what it met is a JIT's, and so will be what the next one meets. */
#define ASK_AGAIN_NS INT64_C(1000000000)

/* A loaded module: what tells it from another at the same place, and its tables. */
struct module {
    uint64_t low, high; /* its executable addresses */
    uint64_t ehframe_address;
    size_t ehframe_n;
    uint64_t fingerprint;  /* of name and .eh_frame_hdr */
    uint8_t *ehframe_copy; /* while a refresh is under way */
    struct row *rows;
    uint32_t n_rows;
    bool built;
};

struct list {
    struct module *at;
    size_t n, cap;
    uint8_t *bytes; /* copies of .eh_frame, while a refresh is under way */
    size_t bytes_n, bytes_cap;
    unsigned long long adds, subs; /* the loader's own count of changes */
    bool visited;
};

static struct list loaded;
static _Atomic size_t loaded_bytes; /* of its tables and the map, for modules_bytes */
static int64_t ask_again_ns;        /* when walks may ask though nothing was loaded */
static bool refreshing;             /* a fork may see it set: then loaded may be half-written */

/* Held during a whole refresh, by threads of ours alone. A fork does not wait for it. */
static struct lock refresh_lock = LOCK_INIT(LOCK_REFRESH);

/* Held while the loader is asked. A fork waits for it, and while one is under way the loader is not asked: the child
 * would find the loader's own lock held by a thread that it does not have. Nobody who holds it waits for anything but
 * the loader; a fork from inside a host's own dl_iterate_phdr callback holds what we wait for, and waits in vain. */
static struct lock loader_lock = LOCK_INIT(LOCK_MODULES);
static _Atomic bool asking;

/* What a publication replaced. Freed once nobody walks who may still look at it. */
static struct {
    const struct rows_map *map;
    struct row **rows;
    size_t n_rows;
} retired[MAX_RETIRED];
static size_t n_retired;

static uint8_t *map_bytes(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* The tables that modules point to are not the list's. */
static void list_fini(struct list *l)
{
    free(l->at);
    if (l->bytes)
        munmap(l->bytes, l->bytes_cap);
    l->at = NULL;
    l->bytes = NULL;
    l->cap = l->bytes_cap = 0;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* How many bytes are whole entries, up to the zero word that ends them. */
static size_t measure(uint64_t at, uint64_t end)
{
    uint64_t walk = at, readable_to = at;
    while (end - walk >= 4) {
        uint32_t length;
        for (; readable_to < walk + sizeof length; readable_to = (readable_to & ~(READABLE_PAGE - 1)) + READABLE_PAGE)
            if (!readable_page(readable_to))
                return walk - at;
        memcpy(&length, (const void *)(uintptr_t)walk, sizeof length);
        if (length == 0 || length > end - walk - 4)
            break;
        walk += 4 + (uint64_t)length;
    }
    return walk - at;
}

static bool is_same_but_for_size(const struct module *a, const struct module *b)
{
    return a->low == b->low && a->high == b->high && a->ehframe_address == b->ehframe_address &&
           a->fingerprint == b->fingerprint;
}

/* 0: none such is known. */
static size_t known_size(const struct module *m)
{
    for (size_t i = 0; i < loaded.n; i++)
        if (is_same_but_for_size(&loaded.at[i], m))
            return loaded.at[i].ehframe_n;
    return 0;
}

/* .eh_frame_hdr is version, three encodings, then (as every linker writes it) a 32-bit pc-relative pointer to
 * .eh_frame. Its size is not written anywhere: it ends by a zero word, and lies inside its segment. */
static bool find_ehframe(const struct dl_phdr_info *info, const ElfW(Phdr) * hdr, struct module *m)
{
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)(info->dlpi_addr + hdr->p_vaddr);
    size_t hashed = hdr->p_memsz < 4096 ? hdr->p_memsz : 4096;
    if (hdr->p_memsz < 8 || !readable(bytes, hashed) || bytes[0] != 1 || bytes[1] != 0x1b)
        return false;
    int32_t offset;
    memcpy(&offset, bytes + 4, sizeof offset);
    uint64_t at = (uint64_t)(uintptr_t)(bytes + 4) + (uint64_t)(int64_t)offset, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        /* Of a segment only p_filesz is backed by the file; what follows belongs to nobody's .eh_frame. */
        if (p->p_type == PT_LOAD && at >= start && at < start + p->p_filesz)
            end = start + p->p_filesz;
    }
    if (!end)
        return false;
    m->ehframe_address = at;
    m->fingerprint = hash_bytes(m->fingerprint, bytes, hashed);
    m->ehframe_n = known_size(m);
    if (!m->ehframe_n)
        m->ehframe_n = measure(at, end);
    return m->ehframe_n > 0 && m->ehframe_n <= MAX_EHFRAME_BYTES;
}

static const struct module *find_in(const struct list *l, const struct module *m)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct module *k = &l->at[i];
        if (is_same_but_for_size(k, m) && k->ehframe_n == m->ehframe_n)
            return k;
    }
    return NULL;
}

static const struct module *find_known(const struct module *m)
{
    return find_in(&loaded, m);
}

/* Before now takes the place of what was loaded. What changed while nobody sampled is in no sample. */
static void tell_changes(const struct list *now)
{
    if (!tick_is_on())
        return;
    for (size_t i = 0; i < loaded.n; i++)
        if (!find_in(now, &loaded.at[i]))
            vacated_left(loaded.at[i].low, loaded.at[i].high, loaded.at[i].fingerprint);
    for (size_t i = 0; i < now->n; i++)
        if (!find_known(&now->at[i]))
            vacated_entered(now->at[i].low, now->at[i].high, now->at[i].fingerprint);
}

/* Its executable addresses. False where it has none. A host's own dl_iterate_phdr may list what is not there. */
static bool find_code(const struct dl_phdr_info *info, struct module *m, const ElfW(Phdr) * *hdr)
{
    *hdr = NULL;
    *m = (struct module){.low = UINT64_MAX};
    if (!readable_text(info->dlpi_name) || !readable(info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr))
        return false;
    m->fingerprint = hash_bytes(UINT64_C(0xcbf29ce484222325), info->dlpi_name, strlen(info->dlpi_name));
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_GNU_EH_FRAME)
            *hdr = p;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            m->low = start < m->low ? start : m->low;
            m->high = start + p->p_memsz > m->high ? start + p->p_memsz : m->high;
        }
    }
    return m->high > m->low && m->high - m->low <= UINT32_MAX;
}

/* What cannot be read stays zero, which ends the entries. */
static void copy(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t done = 0, part; done < n; done += part) {
        size_t to_page_end = READABLE_PAGE - ((uintptr_t)(from + done) & (READABLE_PAGE - 1));
        part = to_page_end < n - done ? to_page_end : n - done;
        if (!readable(from + done, part))
            return;
        memcpy(to + done, from + done, part);
    }
}

/* Under the loader's lock, which allocators may want while they hold their own: nothing is allocated here. The first
 * pass (no room yet) counts, the second copies; a change between the two shows in adds and subs, and both are done
 * again. Turning bytes into rows waits until the lock is free. */
static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct list *l = arg;
    struct module m;
    const ElfW(Phdr) * hdr;
    (void)size;
    if (!l->visited) {
        l->visited = true;
        l->adds = info->dlpi_adds;
        l->subs = info->dlpi_subs;
        if (loaded.n && l->adds == loaded.adds && l->subs == loaded.subs)
            return 1;
    }
    if (!find_code(info, &m, &hdr))
        return 0;
    bool has = hdr && find_ehframe(info, hdr, &m);
    m.built = !has;
    if (has && !find_known(&m)) {
        if (l->bytes && l->bytes_n + m.ehframe_n <= l->bytes_cap) {
            m.ehframe_copy = l->bytes + l->bytes_n;
            copy(m.ehframe_copy, (const void *)(uintptr_t)m.ehframe_address, m.ehframe_n);
        }
        l->bytes_n += m.ehframe_n;
    }
    if (l->n < l->cap)
        l->at[l->n] = m;
    l->n++;
    return 0;
}

/* The loader's list into l, asked as often as it changes meanwhile, PASSES_MAX times at most. False: nothing changed
 * since the last refresh, or it could not be had. What l then holds is list_fini's. */
static bool read_loaded(struct list *l)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        l->n = l->bytes_n = 0;
        l->visited = false;
        atomic_store(&asking, true);
        lock_take(&loader_lock);
        if (!lock_is_forking())
            dl_iterate_phdr(visit, l);
        lock_drop(&loader_lock);
        atomic_store(&asking, false);
        if (!l->n)
            return false;
        if (l->n <= l->cap && l->bytes_n <= l->bytes_cap)
            return true;
        list_fini(l);
        l->cap = l->n + 8;
        l->at = calloc(l->cap, sizeof *l->at);
        l->bytes_cap = l->bytes_n + 1;
        l->bytes = map_bytes(l->bytes_cap);
        if (!l->at || !l->bytes)
            return false;
    }
    return false;
}

static void build(struct module *m, void (*meanwhile)(void))
{
    const struct module *known = find_known(m);
    if (known) {
        m->rows = known->rows;
        m->n_rows = known->n_rows;
    } else if (m->ehframe_copy) {
        struct ehframe in = {m->ehframe_copy, m->ehframe_n, m->ehframe_address, m->low, m->high, meanwhile};
        ehframe_rows(&in, &m->rows, &m->n_rows);
        m->ehframe_copy = NULL;
    }
    m->built = true;
}

static int by_low(const void *a, const void *b)
{
    uint64_t x = ((const struct module *)a)->low, y = ((const struct module *)b)->low;
    return (x > y) - (x < y);
}

static struct rows_map *make_map(const struct list *l)
{
    struct rows_map *map = malloc(sizeof *map + l->n * sizeof map->modules[0]);
    if (!map)
        return NULL;
    map->memo = slab_pages(sizeof *map->memo);
    map->n_modules = (uint32_t)l->n;
    for (size_t i = 0; i < l->n; i++)
        map->modules[i] = (struct rows_module){l->at[i].low, l->at[i].high, l->at[i].rows, l->at[i].n_rows};
    return map;
}

static void free_map(const struct rows_map *map)
{
    if (map->memo)
        slab_pages_free(map->memo, sizeof *map->memo);
    free((void *)(uintptr_t)map);
}

static void count_bytes(void)
{
    size_t bytes = sizeof(struct rows_map);
    for (size_t i = 0; i < loaded.n; i++)
        bytes += sizeof(struct rows_module) + sizeof loaded.at[i] + loaded.at[i].n_rows * sizeof(struct row);
    atomic_store(&loaded_bytes, bytes);
}

size_t modules_bytes(void)
{
    return atomic_load(&loaded_bytes);
}

static void free_retired(void)
{
    if (!n_retired || !tick_quiet() || !rows_quiet())
        return;
    for (size_t i = 0; i < n_retired; i++) {
        for (size_t r = 0; r < retired[i].n_rows; r++)
            free(retired[i].rows[r]);
        free(retired[i].rows);
        free_map(retired[i].map);
    }
    n_retired = 0;
}

/* Tables that the new list no longer uses go with the replaced map. When there is no room or no memory to
 * remember them they leak: the alternative is to free what a handler may read. */
static void retire(const struct rows_map *map, const struct list *now)
{
    if (!map || n_retired == MAX_RETIRED)
        return;
    struct row **rows = calloc(loaded.n ? loaded.n : 1, sizeof(struct row *));
    size_t n = 0;
    for (size_t i = 0; rows && i < loaded.n; i++) {
        bool kept = false;
        for (size_t k = 0; k < now->n && !kept; k++)
            kept = now->at[k].rows == loaded.at[i].rows;
        if (!kept)
            rows[n++] = loaded.at[i].rows;
    }
    retired[n_retired].map = map;
    retired[n_retired].rows = rows;
    retired[n_retired++].n_rows = n;
}

static bool refresh(void (*meanwhile)(void))
{
    struct list now = {0};
    free_retired();
    if (!read_loaded(&now)) { /* the map in force stays */
        list_fini(&now);
        return false;
    }
    for (size_t i = 0; i < now.n; i++)
        if (!now.at[i].built)
            build(&now.at[i], meanwhile);
    munmap(now.bytes, now.bytes_cap);
    now.bytes = NULL;
    qsort(now.at, now.n, sizeof *now.at, by_low);
    struct rows_map *map = make_map(&now);
    if (!map) {
        list_fini(&now);
        return true;
    }
    retire(rows_publish(map), &now); // NOLINT(clang-analyzer-unix.Malloc): it is in force now, not leaked
    tell_changes(&now);
    list_fini(&loaded);
    loaded = now;
    count_bytes();
    free_retired();
    return true;
}

bool modules_refresh(void (*meanwhile)(void))
{
    footing_forget();
    rows_answer(false);
    lock_take(&refresh_lock);
    refreshing = true;
    bool changed = refresh(meanwhile);
    refreshing = false;
    bool may_ask = changed || clock_mono_ns() >= ask_again_ns;
    if (may_ask)
        ask_again_ns = clock_mono_ns() + ASK_AGAIN_NS;
    lock_drop(&refresh_lock);
    rows_answer(may_ask);
    return changed;
}

bool modules_is_asking(void)
{
    return atomic_load(&asking);
}

bool modules_redirect(void)
{
    lock_take(&loader_lock);
    bool all = !lock_is_forking() && got_sync();
    lock_drop(&loader_lock);
    return all;
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&loader_lock);
    lock_reset_after_fork(&refresh_lock);
    rows_after_fork_child();
    if (refreshing) {
        loaded = (struct list){0};
        n_retired = 0;
    }
    refreshing = false;
    atomic_store(&asking, false);
}

void modules_prepare(void)
{
    static const struct atfork_hooks fork_hooks = {
        .rank = LOCK_MODULES,
        .lock = &loader_lock,
        .after_child = after_fork_child,
    };
    atfork_register(&fork_hooks);
    vacated_prepare();
}
