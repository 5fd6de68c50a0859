#include "symbol/known.h"

#include "base/atfork.h"
#include "base/lock.h"
#include "profile/hash.h"
#include "symbol/texts.h"

#include <stdatomic.h>
#include <string.h>

#define FIRST_SLOTS 512u
#define SLACK_BYTES ((size_t)128 << 10) /* what one answer may take beyond its own bytes: pages, a slab's chunk */

struct kept_answer {
    uint64_t offset, entry;
    uint64_t n;
    struct named_frame frames[];
};

struct known {
    struct known *next;
    struct known_id id;
    unsigned holders;
    bool is_full;               /* something found no room: it goes as soon as nobody holds it */
    uint64_t used;              /* when it was held last, by `holds` */
    struct texts texts;         /* its memory holds the answers too */
    struct kept_answer **slots; /* by offset, open addressing, a power of two, at most half full */
    size_t slot_count, count;
};

static struct lock lock = LOCK_INIT(LOCK_KNOWN);

/* Below: under the lock. */
static struct known *first;
static uint64_t holds;
static bool changing; /* a child of _Fork may see it set: then nothing here can be believed */

static _Atomic size_t all_bytes;

static size_t bytes_of(const struct known *k)
{
    return sizeof *k + texts_bytes(&k->texts) + k->slot_count * sizeof *k->slots;
}

static void begin(void)
{
    lock_take(&lock);
    changing = true;
}

static void end(void)
{
    changing = false;
    lock_drop(&lock);
}

static void drop(struct known **at)
{
    struct known *k = *at;
    *at = k->next;
    atomic_fetch_sub(&all_bytes, bytes_of(k));
    slab_pages_free(k->slots, k->slot_count * sizeof *k->slots);
    texts_fini(&k->texts);
    slab_pages_free(k, sizeof *k);
}

static struct known **place_of(const struct known *k)
{
    struct known **at = &first;
    while (*at != k)
        at = &(*at)->next;
    return at;
}

/* That of those nobody holds which was used longest ago, or NULL. */
static struct known **oldest(void)
{
    struct known **found = NULL;
    for (struct known **at = &first; *at; at = &(*at)->next)
        if (!(*at)->holders && (!found || (*at)->used < (*found)->used))
            found = at;
    return found;
}

static bool make_room(size_t n)
{
    while (atomic_load(&all_bytes) + n + SLACK_BYTES > KNOWN_MAX_BYTES) {
        struct known **at = oldest();
        if (!at)
            return false;
        drop(at);
    }
    return true;
}

static struct known *find(const struct known_id *id)
{
    struct known *k = first;
    while (k && memcmp(&k->id, id, sizeof *id) != 0)
        k = k->next;
    return k;
}

static struct known *make(const struct known_id *id)
{
    struct known *k = make_room(sizeof *k) ? slab_pages(sizeof *k) : NULL;
    if (!k)
        return NULL;
    k->id = *id;
    k->next = first;
    first = k;
    atomic_fetch_add(&all_bytes, bytes_of(k));
    return k;
}

/* Who held something there does not exist here. */
static void fork_after_child(void)
{
    lock_reset_after_fork(&lock);
    if (changing) {
        first = NULL;
        atomic_store(&all_bytes, 0);
    }
    changing = false;
    for (struct known *k = first; k; k = k->next)
        k->holders = 0;
}

struct known *known_hold(const struct known_id *id)
{
    static const struct atfork_hooks fork_hooks = {
        .rank = LOCK_KNOWN,
        .lock = &lock,
        .after_child = fork_after_child,
    };
    atfork_register(&fork_hooks);
    begin();
    struct known *k = find(id);
    if (!k)
        k = make(id);
    if (k) {
        k->holders++;
        k->used = ++holds;
    }
    end();
    return k;
}

void known_release(struct known *k)
{
    if (!k)
        return;
    begin();
    if (k->holders)
        k->holders--;
    if (k->is_full && !k->holders)
        drop(place_of(k));
    end();
}

static struct kept_answer **slot_of(struct kept_answer **slots, size_t slot_count, uint64_t offset)
{
    size_t i = hash_word(0, offset) & (slot_count - 1);
    while (slots[i] && slots[i]->offset != offset)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

bool known_find(struct known *k, uint64_t offset, struct known_answer *answer)
{
    begin();
    const struct kept_answer *kept = k->slots ? *slot_of(k->slots, k->slot_count, offset) : NULL;
    if (kept) {
        answer->entry = kept->entry;
        answer->n = kept->n;
        memcpy(answer->frames, kept->frames, kept->n * sizeof kept->frames[0]);
    }
    end();
    return kept != NULL;
}

static bool grow(struct known *k)
{
    size_t wider = k->slot_count ? k->slot_count * 2 : FIRST_SLOTS;
    struct kept_answer **slots = slab_pages(wider * sizeof(struct kept_answer *));
    if (!slots)
        return false;
    for (size_t i = 0; i < k->slot_count; i++)
        if (k->slots[i])
            *slot_of(slots, wider, k->slots[i]->offset) = k->slots[i];
    slab_pages_free(k->slots, k->slot_count * sizeof(struct kept_answer *));
    k->slots = slots;
    k->slot_count = wider;
    return true;
}

static const char *keep_text(struct known *k, const char *text)
{
    const struct text *kept = texts_keep(&k->texts, text, strlen(text));
    return kept ? kept->plain : NULL;
}

static bool keep(struct known *k, uint64_t offset, const struct known_answer *answer)
{
    if (k->count * 2 >= k->slot_count && !grow(k))
        return false;
    struct kept_answer **slot = slot_of(k->slots, k->slot_count, offset);
    if (*slot)
        return true;
    size_t frame_bytes = answer->n * sizeof answer->frames[0];
    struct kept_answer *kept = slab_get(&k->texts.memory, sizeof *kept + frame_bytes);
    if (!kept)
        return false;
    kept->offset = offset;
    kept->entry = answer->entry;
    kept->n = answer->n;
    memcpy(kept->frames, answer->frames, frame_bytes);
    for (size_t i = 0; i < answer->n; i++) {
        struct named_frame *f = &kept->frames[i];
        f->name = keep_text(k, f->name);
        f->system_name = keep_text(k, f->system_name);
        f->file = keep_text(k, f->file);
        if (!f->name || !f->system_name || !f->file)
            return false;
    }
    *slot = kept;
    k->count++;
    return true;
}

/* What a table grows by when it takes so many more. */
static size_t growth(size_t slot_count, size_t count, size_t more)
{
    return (count + more) * 2 >= slot_count ? 2 * slot_count * sizeof(void *) : 0;
}

static size_t need_of(const struct known *k, const struct known_answer *answer)
{
    size_t n = growth(k->slot_count, k->count, 1) + growth(k->texts.slot_count, k->texts.count, 3 * answer->n);
    for (size_t i = 0; i < answer->n; i++) {
        const struct named_frame *f = &answer->frames[i];
        n += sizeof *f + strlen(f->name) + strlen(f->system_name) + strlen(f->file);
    }
    return n;
}

void known_add(struct known *k, uint64_t offset, const struct known_answer *answer)
{
    begin();
    size_t before = bytes_of(k);
    if (k->is_full || !make_room(need_of(k, answer)) || !keep(k, offset, answer))
        k->is_full = true;
    atomic_fetch_add(&all_bytes, bytes_of(k) - before);
    end();
}

size_t known_bytes(void)
{
    return atomic_load(&all_bytes);
}

void known_forget(void)
{
    begin();
    for (struct known **at; (at = oldest());)
        drop(at);
    end();
}
