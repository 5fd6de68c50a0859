#include "encode/named.h"

#include "base/clock.h"
#include "encode/custom_profile.h"
#include "encode/memstats.h"
#include "encode/pprof.h"
#include "encode/text.h"
#include "encode/threads_profile.h"
#include "profile/locate.h"
#include "profile/merge.h"
#include "sampler/threads.h"

#include <string.h>
#include <time.h>

#define MAX_TYPES 4

#define HEAP_RATE_DEFAULT (512 << 10) /* bytes between two samples, as in Go */

struct type {
    const char *type, *unit;
};

enum form { FORM_COUNTS, FORM_HEAP, FORM_CONTENTION, FORM_SAMPLED_CONTENTION };

struct named_kind {
    const char *name, *description;
    struct type types[MAX_TYPES]; /* ends with a NULL type */
    struct type period_type;
    int64_t period;
    const char *default_type;
    enum form form;
    bool has_gc;
    uint64_t (*count)(void);
    /* NULL: nothing is recorded yet. */
    enum status (*fill)(struct locator *locator, struct reason *why);
};

static uint64_t count_threads(void)
{
    return threads_count();
}

/* Where a thread was made nobody has written down. */
static enum status fill_created(struct locator *locator, struct reason *why)
{
    (void)why;
    int64_t n = (int64_t)threads_count();
    return model_add_sample(locator->out, NULL, 0, &n, NULL, 0);
}

#define HEAP_TYPES                                                                                                     \
    {                                                                                                                  \
        {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"},                              \
        {                                                                                                              \
            "inuse_space", "bytes"                                                                                     \
        }                                                                                                              \
    }
#define CONTENTION_TYPES                                                                                               \
    {                                                                                                                  \
        {"contentions", "count"},                                                                                      \
        {                                                                                                              \
            "delay", "nanoseconds"                                                                                     \
        }                                                                                                              \
    }

/* By name. */
static const struct named_kind kinds[] = {
    {.name = "allocs",
     .description = "A sampling of all past memory allocations",
     .types = HEAP_TYPES,
     .period_type = {"space", "bytes"},
     .period = HEAP_RATE_DEFAULT,
     .default_type = "alloc_space",
     .form = FORM_HEAP},
    {.name = "block",
     .description = "Stack traces that led to blocking on synchronization primitives",
     .types = CONTENTION_TYPES,
     .period_type = {"contentions", "count"},
     .period = 1,
     .form = FORM_CONTENTION},
    {.name = "goroutine",
     .description = "Stack traces of all current threads. Use debug=2 as a query parameter to export in the same "
                    "format as an unrecovered panic in Go. Also served as thread.",
     .types = {{"goroutine", "count"}},
     .period_type = {"goroutine", "count"},
     .period = 1,
     .form = FORM_COUNTS,
     .count = count_threads,
     .fill = threads_profile_fill},
    {.name = "heap",
     .description = "A sampling of memory allocations of live objects. You can specify the gc GET parameter to run GC "
                    "before taking the heap sample.",
     .types = HEAP_TYPES,
     .period_type = {"space", "bytes"},
     .period = HEAP_RATE_DEFAULT,
     .form = FORM_HEAP,
     .has_gc = true},
    {.name = "mutex",
     .description = "Stack traces of holders of contended mutexes",
     .types = CONTENTION_TYPES,
     .period_type = {"contentions", "count"},
     .period = 1,
     .form = FORM_SAMPLED_CONTENTION},
    {.name = "threadcreate",
     .description = "Stack traces that led to the creation of new OS threads",
     .types = {{"threadcreate", "count"}},
     .period_type = {"threadcreate", "count"},
     .period = 1,
     .form = FORM_COUNTS,
     .count = count_threads,
     .fill = fill_created},
};

#define N_KINDS (sizeof kinds / sizeof *kinds)

/* Of all the program's own: "" stands for the profile's name. */
static const struct named_kind custom_kind = {.name = "",
                                              .description = "",
                                              .types = {{"", "count"}},
                                              .period_type = {"", "count"},
                                              .period = 1,
                                              .form = FORM_COUNTS};

static const struct {
    const char *alias, *name;
} aliases[] = {{"thread", "goroutine"}};

static bool is(const char *name, size_t n, const char *known)
{
    return strlen(known) == n && memcmp(name, known, n) == 0;
}

static void describe(const struct named_kind *kind, const char *name, struct named *out)
{
    *out = (struct named){
        .kind = kind, .name = name, .description = kind->description, .has_delta = true, .has_gc = kind->has_gc};
}

static bool find_kind(const char *name, size_t n, const char *as, struct named *out)
{
    for (const struct named_kind *k = kinds; k < kinds + N_KINDS; k++) {
        if (is(name, n, k->name)) {
            describe(k, as ? as : k->name, out);
            return true;
        }
    }
    return false;
}

static void describe_custom(struct custom *c, struct named *out)
{
    *out = (struct named){.kind = &custom_kind, .name = custom_name(c), .description = "", .custom = c};
}

bool named_find(const char *name, size_t n, struct named *out)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (is(name, n, aliases[i].alias))
            return find_kind(aliases[i].name, strlen(aliases[i].name), aliases[i].alias, out);
    struct custom *c = custom_find(name, n);
    if (c)
        describe_custom(c, out);
    return c || find_kind(name, n, NULL, out);
}

/* Both are in order; none is in both. */
bool named_at(size_t i, struct named *out)
{
    size_t k = 0;
    struct custom *c = custom_next(NULL);
    for (;; i--) {
        bool own = c && (k == N_KINDS || strcmp(custom_name(c), kinds[k].name) < 0);
        if (!own && k == N_KINDS)
            return false;
        if (own)
            describe_custom(c, out);
        else
            describe(&kinds[k], kinds[k].name, out);
        if (!i)
            return true;
        if (own)
            c = custom_next(c);
        else
            k++;
    }
}

bool named_of(const void *kind, struct named *out)
{
    for (const struct named_kind *k = kinds; k < kinds + N_KINDS; k++) {
        if (k == kind) {
            describe(k, k->name, out);
            return true;
        }
    }
    return false;
}

uint64_t named_count(const struct named *p)
{
    if (p->custom)
        return custom_count(p->custom);
    return p->kind->count ? p->kind->count() : 0;
}

static const char *or_own_name(const struct named *p, const char *text)
{
    return *text ? text : p->name;
}

static enum status add_head(const struct named *p, struct model *m)
{
    const struct named_kind *k = p->kind;
    enum status status = model_set_period(m, or_own_name(p, k->period_type.type), k->period_type.unit, k->period);
    for (size_t i = 0; i < MAX_TYPES && k->types[i].type && !status; i++)
        status = model_add_type(m, or_own_name(p, k->types[i].type), k->types[i].unit);
    if (!status && k->default_type)
        status = strtab_intern(&m->strings, k->default_type, &m->default_sample_type);
    m->time_nanos = clock_ns(CLOCK_REALTIME);
    return status;
}

static enum status fill(const struct named *p, const struct naming *naming, struct model *m, struct reason *why)
{
    struct locator locator;
    enum status status = add_head(p, m);
    if (status)
        return status;
    status = locator_init(&locator, m, &naming->maps, &naming->namer);
    if (!status && p->custom)
        status = custom_profile_fill(p->custom, &locator);
    else if (!status && p->kind->fill)
        status = p->kind->fill(&locator, why);
    if (!status)
        locator_flag_mappings(&locator);
    locator_fini(&locator);
    return status;
}

static enum status build(const struct named *p, const struct naming *naming, struct model *m, struct reason *why)
{
    enum status status = model_init(m);
    if (status)
        return status;
    status = fill(p, naming, m, why);
    if (status)
        model_fini(m);
    return status;
}

enum status named_model(const struct named *p, enum naming_names names, struct model *m, struct reason *why)
{
    struct naming naming;
    enum status status = naming_open(&naming, &process_self, names, why);
    if (status)
        return status;
    status = build(p, &naming, m, why);
    naming_close(&naming);
    return status;
}

/* merge_models adds durations and takes the earlier time; a difference is of the later, and took what lay between. */
enum status named_delta(const struct model *earlier, const struct model *later, struct model *m, struct reason *why)
{
    const struct model *const inputs[] = {earlier, later};
    const double scales[] = {-1, 1};
    enum status status = merge_models(inputs, scales, 2, m, why);
    if (!status) {
        m->time_nanos = later->time_nanos;
        m->duration_nanos = later->time_nanos - earlier->time_nanos;
    }
    return status;
}

static void put_text(const struct named *p, const struct model *m, const struct namer *namer, struct buf *out)
{
    switch (p->kind->form) {
    case FORM_COUNTS: text_counts(or_own_name(p, p->kind->name), m, namer, out); break;
    case FORM_HEAP:
        text_heap(m, namer, out);
        memstats_put_trailer(out);
        break;
    case FORM_CONTENTION: text_contention("contention", m, 0, false, namer, out); break;
    case FORM_SAMPLED_CONTENTION: text_contention("mutex", m, 0, true, namer, out); break;
    }
}

static enum status write_as(const struct named *p, int64_t debug, const struct naming *naming, struct buf *out,
                            struct reason *why)
{
    struct model m;
    if (debug > 1 && p->kind->fill == threads_profile_fill)
        return threads_profile_dump(&naming->namer, out, why);
    enum status status = build(p, naming, &m, why);
    if (status)
        return status;
    if (debug)
        put_text(p, &m, &naming->namer, out);
    else
        status = pprof_write(&m, out, why);
    model_fini(&m);
    return status ? status : out->failed ? STATUS_NOMEM : STATUS_OK;
}

enum status named_write(const struct named *p, int64_t debug, enum naming_names names, struct buf *out,
                        struct reason *why)
{
    struct naming naming;
    enum status status = naming_open(&naming, &process_self, names, why);
    if (status)
        return status;
    status = write_as(p, debug, &naming, out, why);
    naming_close(&naming);
    return status;
}
