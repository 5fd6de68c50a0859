#include "encode/memstats.h"

#include "encode/digits.h"
#include "encode/kept.h"
#include "sampler/memstats.h"

#include <stdbool.h>
#include <stddef.h>

enum kind { NUMBER, NUMBERS, SHARE, TRUTH, CLASSES };

/* Go's fields, in Go's order. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t at;
} fields[] = {
    {"Alloc", NUMBER, offsetof(struct memstats, alloc)},
    {"TotalAlloc", NUMBER, offsetof(struct memstats, total_alloc)},
    {"Sys", NUMBER, offsetof(struct memstats, sys)},
    {"Lookups", NUMBER, offsetof(struct memstats, lookups)},
    {"Mallocs", NUMBER, offsetof(struct memstats, mallocs)},
    {"Frees", NUMBER, offsetof(struct memstats, frees)},
    {"HeapAlloc", NUMBER, offsetof(struct memstats, heap_alloc)},
    {"HeapSys", NUMBER, offsetof(struct memstats, heap_sys)},
    {"HeapIdle", NUMBER, offsetof(struct memstats, heap_idle)},
    {"HeapInuse", NUMBER, offsetof(struct memstats, heap_inuse)},
    {"HeapReleased", NUMBER, offsetof(struct memstats, heap_released)},
    {"HeapObjects", NUMBER, offsetof(struct memstats, heap_objects)},
    {"StackInuse", NUMBER, offsetof(struct memstats, stack_inuse)},
    {"StackSys", NUMBER, offsetof(struct memstats, stack_sys)},
    {"MSpanInuse", NUMBER, offsetof(struct memstats, mspan_inuse)},
    {"MSpanSys", NUMBER, offsetof(struct memstats, mspan_sys)},
    {"MCacheInuse", NUMBER, offsetof(struct memstats, mcache_inuse)},
    {"MCacheSys", NUMBER, offsetof(struct memstats, mcache_sys)},
    {"BuckHashSys", NUMBER, offsetof(struct memstats, buck_hash_sys)},
    {"GCSys", NUMBER, offsetof(struct memstats, gc_sys)},
    {"OtherSys", NUMBER, offsetof(struct memstats, other_sys)},
    {"NextGC", NUMBER, offsetof(struct memstats, next_gc)},
    {"LastGC", NUMBER, offsetof(struct memstats, last_gc)},
    {"PauseTotalNs", NUMBER, offsetof(struct memstats, pause_total_ns)},
    {"PauseNs", NUMBERS, offsetof(struct memstats, pause_ns)},
    {"PauseEnd", NUMBERS, offsetof(struct memstats, pause_end)},
    {"NumGC", NUMBER, offsetof(struct memstats, num_gc)},
    {"NumForcedGC", NUMBER, offsetof(struct memstats, num_forced_gc)},
    {"GCCPUFraction", SHARE, offsetof(struct memstats, gc_cpu_fraction)},
    {"EnableGC", TRUTH, offsetof(struct memstats, enable_gc)},
    {"DebugGC", TRUTH, offsetof(struct memstats, debug_gc)},
    {"BySize", CLASSES, offsetof(struct memstats, by_size)},
};

static void put_truth(struct buf *out, bool value)
{
    buf_puts(out, value ? "true" : "false");
}

static void put_list(struct buf *out, const uint64_t *values, const char *between)
{
    buf_puts(out, "[");
    for (int i = 0; i < MEMSTATS_PAUSES; i++) {
        if (i)
            buf_puts(out, between);
        digits_put(out, values[i]);
    }
    buf_puts(out, "]");
}

static void put_classes(struct buf *out, const struct memstats_class *classes)
{
    for (int i = 0; i < MEMSTATS_CLASSES; i++) {
        buf_puts(out, i ? ",{\"Size\":" : "[{\"Size\":");
        digits_put(out, classes[i].size);
        buf_puts(out, ",\"Mallocs\":");
        digits_put(out, classes[i].mallocs);
        buf_puts(out, ",\"Frees\":");
        digits_put(out, classes[i].frees);
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
}

static void put_value(struct buf *out, const void *value, enum kind kind)
{
    switch (kind) {
    case NUMBER: digits_put(out, *(const uint64_t *)value); break;
    case NUMBERS: put_list(out, value, ","); break;
    case SHARE: digits_put_decimal(out, *(const double *)value); break;
    case TRUTH: put_truth(out, *(const bool *)value); break;
    case CLASSES: put_classes(out, value); break;
    }
}

static void fill_json(struct buf *out)
{
    struct memstats m;
    memstats_read(&m);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        buf_puts(out, i ? ",\"" : "{\"");
        buf_puts(out, fields[i].name);
        buf_puts(out, "\":");
        put_value(out, (const char *)&m + fields[i].at, fields[i].kind);
    }
    buf_puts(out, "}");
}

void memstats_put_json(struct buf *out)
{
    static struct kept kept = {.fill = fill_json};
    kept_put(&kept, out);
}

/* The lines of the trailer; those with a second number are "first / second". */
static const struct line {
    const char *name;
    enum kind kind;
    size_t at, second; /* 0: none; what stands first in the struct is nowhere second */
} lines[] = {
    {"Alloc", NUMBER, offsetof(struct memstats, alloc), 0},
    {"TotalAlloc", NUMBER, offsetof(struct memstats, total_alloc), 0},
    {"Sys", NUMBER, offsetof(struct memstats, sys), 0},
    {"Lookups", NUMBER, offsetof(struct memstats, lookups), 0},
    {"Mallocs", NUMBER, offsetof(struct memstats, mallocs), 0},
    {"Frees", NUMBER, offsetof(struct memstats, frees), 0},
    {"HeapAlloc", NUMBER, offsetof(struct memstats, heap_alloc), 0},
    {"HeapSys", NUMBER, offsetof(struct memstats, heap_sys), 0},
    {"HeapIdle", NUMBER, offsetof(struct memstats, heap_idle), 0},
    {"HeapInuse", NUMBER, offsetof(struct memstats, heap_inuse), 0},
    {"HeapReleased", NUMBER, offsetof(struct memstats, heap_released), 0},
    {"HeapObjects", NUMBER, offsetof(struct memstats, heap_objects), 0},
    {"Stack", NUMBER, offsetof(struct memstats, stack_inuse), offsetof(struct memstats, stack_sys)},
    {"MSpan", NUMBER, offsetof(struct memstats, mspan_inuse), offsetof(struct memstats, mspan_sys)},
    {"MCache", NUMBER, offsetof(struct memstats, mcache_inuse), offsetof(struct memstats, mcache_sys)},
    {"BuckHashSys", NUMBER, offsetof(struct memstats, buck_hash_sys), 0},
    {"GCSys", NUMBER, offsetof(struct memstats, gc_sys), 0},
    {"OtherSys", NUMBER, offsetof(struct memstats, other_sys), 0},
    {"NextGC", NUMBER, offsetof(struct memstats, next_gc), 0},
    {"LastGC", NUMBER, offsetof(struct memstats, last_gc), 0},
    {"PauseNs", NUMBERS, offsetof(struct memstats, pause_ns), 0},
    {"PauseEnd", NUMBERS, offsetof(struct memstats, pause_end), 0},
    {"NumGC", NUMBER, offsetof(struct memstats, num_gc), 0},
    {"NumForcedGC", NUMBER, offsetof(struct memstats, num_forced_gc), 0},
    {"GCCPUFraction", SHARE, offsetof(struct memstats, gc_cpu_fraction), 0},
    {"DebugGC", TRUTH, offsetof(struct memstats, debug_gc), 0},
    {"MaxRSS", NUMBER, offsetof(struct memstats, max_rss), 0},
};

void memstats_put_trailer(struct buf *out)
{
    struct memstats m;
    memstats_read(&m);
    buf_puts(out, "\n# runtime.MemStats\n");
    for (const struct line *l = lines; l < lines + sizeof lines / sizeof *lines; l++) {
        const char *at = (const char *)&m + l->at;
        buf_puts(out, "# ");
        buf_puts(out, l->name);
        buf_puts(out, " = ");
        if (l->kind == NUMBERS)
            put_list(out, (const uint64_t *)at, " ");
        else
            put_value(out, at, l->kind);
        if (l->second) {
            buf_puts(out, " / ");
            put_value(out, (const char *)&m + l->second, NUMBER);
        }
        buf_puts(out, "\n");
    }
}

/* By OpenMetrics a counter's family has no _total, its sample has. */
enum family { BYTES, COUNT, PAUSES, MOMENT, RATIO };

static const struct metric {
    const char *name; /* behind cprof_memstats_ */
    enum family family;
    size_t at;
    const char *help;
} metrics[] = {
    {"sys_bytes", BYTES, offsetof(struct memstats, sys), "Private writable address space."},
    {"heap_alloc_bytes", BYTES, offsetof(struct memstats, heap_alloc), "In blocks that malloc has handed out."},
    {"heap_sys_bytes", BYTES, offsetof(struct memstats, heap_sys), "Of the heap: idle and in use."},
    {"heap_idle_bytes", BYTES, offsetof(struct memstats, heap_idle), "In free blocks that malloc keeps."},
    {"heap_inuse_bytes", BYTES, offsetof(struct memstats, heap_inuse), "In blocks that malloc has handed out."},
    {"stack_sys_bytes", BYTES, offsetof(struct memstats, stack_sys), "Stack of the first thread."},
    {"buck_hash_sys_bytes", BYTES, offsetof(struct memstats, buck_hash_sys), "Tables of the profiler."},
    {"other_sys_bytes", BYTES, offsetof(struct memstats, other_sys), "The rest of sys."},
    {"max_rss_bytes", BYTES, offsetof(struct memstats, max_rss), "Most that was ever resident."},
    {"gc", COUNT, offsetof(struct memstats, num_gc), "Collections of the interpreter."},
    {"forced_gc", COUNT, offsetof(struct memstats, num_forced_gc), "Collections asked for by name."},
    {"gc_pause_seconds", PAUSES, offsetof(struct memstats, pause_total_ns), "Time spent in collections."},
    {"last_gc_seconds", MOMENT, offsetof(struct memstats, last_gc), "End of the last collection, since 1970."},
    {"gc_cpu_ratio", RATIO, offsetof(struct memstats, gc_cpu_fraction), "Share of the CPU time at hand."},
};

static void put_sample(struct buf *out, const struct metric *metric, const char *at)
{
    uint64_t number = metric->family == RATIO ? 0 : *(const uint64_t *)at;
    switch (metric->family) {
    case BYTES:
    case COUNT: digits_put(out, number); break;
    case PAUSES:
    case MOMENT: digits_put_decimal(out, (double)number / 1e9); break;
    case RATIO: digits_put_decimal(out, *(const double *)at); break;
    }
}

static void fill_metrics(struct buf *out)
{
    struct memstats m;
    memstats_read(&m);
    for (const struct metric *f = metrics; f < metrics + sizeof metrics / sizeof *metrics; f++) {
        bool counts = f->family == COUNT || f->family == PAUSES;
        buf_printf(out,
                   "# TYPE cprof_memstats_%s %s\n# HELP cprof_memstats_%s %s\n"
                   "cprof_memstats_%s%s ",
                   f->name, counts ? "counter" : "gauge", f->name, f->help, f->name, counts ? "_total" : "");
        put_sample(out, f, (const char *)&m + f->at);
        buf_puts(out, "\n");
    }
}

void memstats_put_metrics(struct buf *out)
{
    static struct kept kept = {.fill = fill_metrics};
    kept_put(&kept, out);
}
