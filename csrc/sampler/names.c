#include "sampler/names.h"

#include "base/smallfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Scans between two looks at a name that stays the same: doubled up to this, about 3 s. */
#define PATIENCE_MAX 64

/* Known names read in one scan, some 3 us each, and new ones before others may have the lock. */
#define READS_MAX 64

static const char nobody[NAMES_ROOM];

static void read_name(struct name_slot *slot)
{
    char path[64], text[NAMES_ROOM + 1];
    snprintf(path, sizeof path, "/proc/self/task/%" PRId32 "/comm", slot->tid);
    if (!smallfile_read(path, text, sizeof text))
        return; /* it has ended: the name that it had */
    size_t n = strcspn(text, "\n");
    bool same = strncmp(slot->name, text, n) == 0 && !slot->name[n];
    slot->patience = !same ? 1 : slot->patience < PATIENCE_MAX ? (uint8_t)(slot->patience * 2) : PATIENCE_MAX;
    slot->wait = slot->patience;
    slot->sampled = false;
    memset(slot->name, 0, sizeof slot->name);
    memcpy(slot->name, text, n);
}

/* What may be forgotten meanwhile is not read on. */
static void read_new(struct names *names)
{
    int reads = 0;
    for (size_t i = 0; i < names->n; i++) {
        struct name_slot *slot = &names->at[i];
        if (slot->patience || slot->gone)
            continue;
        slot->patience = 1;
        read_name(slot);
        if (++reads % READS_MAX == 0 && names->breathe)
            names->breathe();
    }
}

/* Before what was sampled since is looked up. */
static void read_again(struct names *names)
{
    int reads = 0;
    for (size_t i = 0; i < names->n; i++) {
        struct name_slot *slot = &names->at[i];
        slot->wait -= slot->wait > 0;
        if (slot->sampled && !slot->wait && !slot->gone && reads < READS_MAX) {
            read_name(slot);
            reads++;
        }
    }
}

/* Both lists are sorted by tid. An id that is given again before the scan after next would keep the old name for a
 * while. */
static size_t merge(const struct names *names, const struct vec_u32 *tids, struct name_slot *next)
{
    size_t n = 0, i = 0, old = 0;
    while (i < tids->n || old < names->n) {
        const struct name_slot *known = old < names->n ? &names->at[old] : NULL;
        int64_t live = i < tids->n ? (int64_t)tids->at[i] : INT64_MAX;
        if (known && known->tid < live) {
            if (!known->gone) {
                next[n] = *known;
                next[n++].gone = true;
            }
            old++;
        } else {
            bool same = known && known->tid == live;
            next[n++] = same && !known->gone ? *known : (struct name_slot){.tid = (int32_t)tids->at[i]};
            old += same;
            i++;
        }
    }
    return n;
}

void names_scan(struct names *names, const struct vec_u32 *tids)
{
    read_again(names);
    struct name_slot *next = tables_spare(&names->tables, names->at, (names->n + tids->n + 1) * sizeof *next);
    if (!next)
        return;
    names->n = merge(names, tids, next);
    names->at = next;
    read_new(names);
}

const char *names_of(struct names *names, int32_t tid)
{
    size_t low = 0, high = names->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->at[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == names->n || names->at[low].tid != tid)
        return nobody;
    names->at[low].sampled = true;
    return names->at[low].name;
}

void names_forget(struct names *names)
{
    names->n = 0;
}
