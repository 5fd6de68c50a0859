#include "sampler/modules.h"

#include "sampler/ehframe.h"
#include "sig/rows.h"
#include "sig/tick.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EHFRAME_BYTES ((size_t)256 << 20) /* Chromium's is 20 MiB */
#define MAX_RETIRED       64                  /* replaced maps that wait for a quiet moment */

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
    unsigned long long adds, subs; /* the loader's own count of changes */
    bool failed;
};

static struct list loaded;
static bool refreshing; /* a fork may see it set: then loaded may be half-written */

/* What a publication replaced. Freed once no handler runs that may still look at it. */
static struct {
    const struct rows_map *map;
    struct row **rows;
    size_t n_rows;
} retired[MAX_RETIRED];
static size_t n_retired;

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* .eh_frame_hdr is version, three encodings, then (as every linker writes it) a 32-bit pc-relative pointer to
 * .eh_frame. Its size is not written anywhere: it ends by a zero word, and lies inside its segment. */
static bool find_ehframe(const struct dl_phdr_info *info, const ElfW(Phdr) * hdr, struct module *m)
{
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)(info->dlpi_addr + hdr->p_vaddr);
    if (hdr->p_memsz < 8 || bytes[0] != 1 || bytes[1] != 0x1b)
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
    uint64_t walk = at;
    while (end - walk >= 4) {
        uint32_t length;
        memcpy(&length, (const void *)(uintptr_t)walk, sizeof length);
        if (length == 0 || length > end - walk - 4)
            break;
        walk += 4 + (uint64_t)length;
    }
    m->ehframe_address = at;
    m->ehframe_n = walk - at;
    m->fingerprint = hash_bytes(m->fingerprint, bytes, hdr->p_memsz < 4096 ? hdr->p_memsz : 4096);
    return m->ehframe_n > 0 && m->ehframe_n <= MAX_EHFRAME_BYTES;
}

static const struct module *find_known(const struct module *m)
{
    for (size_t i = 0; i < loaded.n; i++) {
        const struct module *k = &loaded.at[i];
        if (k->low == m->low && k->high == m->high && k->ehframe_address == m->ehframe_address &&
            k->ehframe_n == m->ehframe_n && k->fingerprint == m->fingerprint)
            return k;
    }
    return NULL;
}

static struct module *append(struct list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;
        struct module *grown = realloc(l->at, cap * sizeof *grown);
        if (!grown) {
            l->failed = true;
            return NULL;
        }
        l->at = grown;
        l->cap = cap;
    }
    l->at[l->n] = (struct module){0};
    return &l->at[l->n++];
}

/* Under the loader's lock: takes what is needed and leaves. Turning it into rows waits until the lock is free. */
static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct list *l = arg;
    (void)size;
    if (!l->n) {
        l->adds = info->dlpi_adds;
        l->subs = info->dlpi_subs;
        if (loaded.n && l->adds == loaded.adds && l->subs == loaded.subs)
            return 1;
    }
    struct module m = {.low = UINT64_MAX,
                       .fingerprint =
                           hash_bytes(UINT64_C(0xcbf29ce484222325), info->dlpi_name, strlen(info->dlpi_name))};
    const ElfW(Phdr) *hdr = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_GNU_EH_FRAME)
            hdr = p;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            m.low = start < m.low ? start : m.low;
            m.high = start + p->p_memsz > m.high ? start + p->p_memsz : m.high;
        }
    }
    if (m.high <= m.low || m.high - m.low > UINT32_MAX)
        return 0;
    struct module *kept = append(l);
    if (!kept)
        return 1;
    if (!hdr || !find_ehframe(info, hdr, &m)) {
        m.built = true;
    } else if (!find_known(&m)) {
        m.ehframe_copy = malloc(m.ehframe_n);
        if (m.ehframe_copy)
            memcpy(m.ehframe_copy, (const void *)(uintptr_t)m.ehframe_address, m.ehframe_n);
    }
    *kept = m;
    return 0;
}

static void build(struct module *m)
{
    const struct module *known = find_known(m);
    if (known) {
        m->rows = known->rows;
        m->n_rows = known->n_rows;
    } else if (m->ehframe_copy) {
        struct ehframe in = {m->ehframe_copy, m->ehframe_n, m->ehframe_address, m->low, m->high};
        ehframe_rows(&in, &m->rows, &m->n_rows);
        free(m->ehframe_copy);
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
    map->n_modules = (uint32_t)l->n;
    for (size_t i = 0; i < l->n; i++)
        map->modules[i] = (struct rows_module){l->at[i].low, l->at[i].high, l->at[i].rows, l->at[i].n_rows};
    return map;
}

static void free_retired(void)
{
    if (!n_retired || !tick_quiet())
        return;
    for (size_t i = 0; i < n_retired; i++) {
        for (size_t r = 0; r < retired[i].n_rows; r++)
            free(retired[i].rows[r]);
        free(retired[i].rows);
        free((void *)(uintptr_t)retired[i].map);
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

static void refresh(void)
{
    struct list now = {0};
    free_retired();
    dl_iterate_phdr(visit, &now);
    if (!now.n) { /* nothing changed, or no memory: the map in force stays */
        free(now.at);
        return;
    }
    for (size_t i = 0; i < now.n; i++)
        if (!now.at[i].built)
            build(&now.at[i]);
    qsort(now.at, now.n, sizeof *now.at, by_low);
    struct rows_map *map = now.failed ? NULL : make_map(&now);
    if (!map) {
        free(now.at);
        return;
    }
    retire(rows_publish(map), &now); // NOLINT(clang-analyzer-unix.Malloc): it is in force now, not leaked
    free(loaded.at);
    loaded = now;
    free_retired();
}

void modules_refresh(void)
{
    refreshing = true;
    refresh();
    refreshing = false;
}

void modules_after_fork_child(void)
{
    if (refreshing) {
        loaded = (struct list){0};
        n_retired = 0;
    }
    refreshing = false;
}
