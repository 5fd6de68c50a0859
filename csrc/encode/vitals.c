#include "encode/vitals.h"

#include "base/thread.h"
#include "encode/digits.h"
#include "encode/json.h"
#include "encode/kept.h"
#include "hook/got.h"
#include "sampler/procself.h"
#include "symbol/known.h"
#include "symbol/taken.h"

#include <stddef.h>
#include <string.h>

/* Below it the rate achieved is chance. */
#define LEAST_SAMPLED_NS 100000000

static const char *library_version = "";

void vitals_set_version(const char *version)
{
    library_version = version;
}

static void read_process(struct vitals *out)
{
    struct procself self;
    procself_read(&self);
    out->threads_ours = self.threads ? thread_ours_count() : 0;
    out->threads = self.threads > out->threads_ours ? self.threads - out->threads_ours : self.threads;
    out->rss_bytes = self.rss_bytes;
    out->descriptors = procself_descriptors();
    out->uptime_seconds = procself_uptime_seconds();
}

void vitals_read(struct vitals *out)
{
    *out = (struct vitals){.version = library_version, .names_taken = taken_function()};
    cpu_stats(&out->cpu);
    int64_t sampled_ns = out->cpu.sampled_cpu_ns - out->cpu.kernel_cpu_ns;
    if (sampled_ns >= LEAST_SAMPLED_NS)
        out->cpu_hz_achieved = (double)out->cpu.samples * 1e9 / (double)sampled_ns;
    out->labels = labels_stats();
    out->memory_bytes = out->cpu.bytes + out->labels.bytes;
    out->names_bytes = known_bytes();
    out->calls_preloaded = !got_is_used();
    out->calls_redirected = got_count();
    read_process(out);
}

enum kind { NUMBER, TOTAL, DECIMAL, TRUTH, TEXT };

/* One of them, for all the texts. */
struct figure {
    const char *key;
    enum kind kind;
    uint64_t number;
    double decimal;
    const char *text; /* NULL: null */
    const char *help;
};

/* By key, as bytes are sorted. */
static void put_each(struct buf *out, void (*put)(struct buf *out, const struct figure *f, bool first))
{
    struct vitals v;
    vitals_read(&v);
    const struct cpu_stats *cpu = &v.cpu;
    const struct figure figures[] = {
        {"calls_preloaded", TRUTH, v.calls_preloaded, .help = "Calls pass through the library of cprof run."},
        {"calls_redirected", NUMBER, v.calls_redirected, .help = "Places where calls are redirected."},
        {"cpu_hz", NUMBER, cpu->hz, .help = "CPU sampling rate in force, 0 when idle."},
        {"cpu_hz_achieved", DECIMAL, .decimal = v.cpu_hz_achieved,
         .help = "Stacks recorded per second of CPU sampled."},
        {"cpu_hz_asked", NUMBER, cpu->asked_hz, .help = "Highest rate that a profile under way asked for."},
        {"cpu_hz_set", NUMBER, cpu->set_hz, .help = "Rate of profiles that name none."},
        {"cpu_samples", TOTAL, cpu->samples, .help = "Stacks recorded."},
        {"cpu_ticks", TOTAL, cpu->ticks, .help = "Periods of CPU time that they stand for."},
        {"cpu_windows", NUMBER, cpu->windows, .help = "CPU profiles under way."},
        {"descriptors", NUMBER, v.descriptors, .help = "Open in the first thread's table."},
        {"label_sets", NUMBER, v.labels.sets, .help = "Sets of labels that the program has made."},
        {"labels_refused", TOTAL, v.labels.refused, .help = "Pushes of labels that found no room, or were not sound."},
        {"lost_late", TOTAL, cpu->late, .help = "Ticks that came when nobody sampled any more."},
        {"lost_ring_full", TOTAL, cpu->lost_ring_full, .help = "Ticks that found no room."},
        {"lost_scans", TOTAL, cpu->scans_failed, .help = "Failed looks for new threads."},
        {"lost_stacks_truncated", TOTAL, cpu->truncated, .help = "Stacks that do not reach their end."},
        {"memory_bytes", NUMBER, v.memory_bytes, .help = "Taken by the profiler."},
        {"names_bytes", NUMBER, v.names_bytes, .help = "Of it: names kept for later profiles."},
        {"names_taken", TEXT, .text = v.names_taken, .help = "Names are off: the program defines it."},
        {"rss_bytes", NUMBER, v.rss_bytes, .help = "Resident memory of the process."},
        {"sigprof_foreign", TOTAL, cpu->foreign, .help = "SIGPROFs that were passed on."},
        {"sigprof_taken", TRUTH, cpu->stolen != 0, .help = "The program put its own handler over ours."},
        {"threads", NUMBER, v.threads, .help = "Of the program."},
        {"threads_blocked", NUMBER, cpu->threads_blocked, .help = "Not sampled: they block SIGPROF."},
        {"threads_covered", NUMBER, cpu->threads_covered, .help = "Sampled."},
        {"threads_on_perf_clock", NUMBER, cpu->threads_perf, .help = "Sampled at random periods."},
        {"threads_ours", NUMBER, v.threads_ours, .help = "Of the profiler."},
        {"threads_refused", NUMBER, cpu->threads_refused, .help = "Not sampled: no timer was to be had."},
        {"uptime_seconds", DECIMAL, .decimal = v.uptime_seconds, .help = "Of the process."},
        {"version", TEXT, .text = v.version, .help = "Of the profiler."},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        put(out, &figures[i], i == 0);
}

static void put_json_value(struct buf *out, const struct figure *f)
{
    switch (f->kind) {
    case NUMBER:
    case TOTAL: digits_put(out, f->number); break;
    case DECIMAL: digits_put_decimal(out, f->decimal); break;
    case TRUTH: buf_puts(out, f->number ? "true" : "false"); break;
    case TEXT:
        if (f->text)
            json_put_string(out, f->text, strlen(f->text));
        else
            buf_puts(out, "null");
    }
}

static void put_json_entry(struct buf *out, const struct figure *f, bool first)
{
    buf_puts(out, first ? "\"" : ", \"");
    buf_puts(out, f->key);
    buf_puts(out, "\": ");
    put_json_value(out, f);
}

static void fill_json(struct buf *out)
{
    buf_puts(out, "{");
    put_each(out, put_json_entry);
    buf_puts(out, "}");
}

void vitals_put_json(struct buf *out)
{
    static struct kept kept = {.fill = fill_json};
    kept_put(&kept, out);
}

/* Texts are no numbers, but the version, which has a family of its own kind. By OpenMetrics a counter's family has no
 * _total, its sample has. */
static void put_family(struct buf *out, const struct figure *f, bool first)
{
    (void)first;
    if (f->kind == TEXT && strcmp(f->key, "version") == 0)
        buf_printf(out,
                   "# TYPE cprof_build info\n# HELP cprof_build The profiler.\ncprof_build_info{version=\"%s\"} 1\n",
                   f->text);
    if (f->kind == TEXT)
        return;
    buf_printf(out, "# TYPE cprof_%s %s\n# HELP cprof_%s %s\ncprof_%s%s ", f->key,
               f->kind == TOTAL ? "counter" : "gauge", f->key, f->help, f->key, f->kind == TOTAL ? "_total" : "");
    if (f->kind == DECIMAL)
        digits_put_decimal(out, f->decimal);
    else
        digits_put(out, f->number);
    buf_puts(out, "\n");
}

static void fill_metrics(struct buf *out)
{
    put_each(out, put_family);
}

void vitals_put_metrics(struct buf *out)
{
    static struct kept kept = {.fill = fill_metrics};
    kept_put(&kept, out);
}
