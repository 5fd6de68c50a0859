#include "encode/cpu_profile.h"

#include "encode/naming.h"
#include "symbol/taken.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define NS_PER_S INT64_C(1000000000)

/* CPU time that neither a tick nor a known loss stands for. Ticks are a sample: each thread may be a period off by
 * chance, though one that uses less than a period hardly by more than it uses, so idle ones make no room for chance.
 * Only what is beyond two standard errors of that, and beyond 2 %, is said to be lost. */
static int64_t gap_ticks(const struct cpu_stats *stats, int64_t known, int64_t period)
{
    int64_t used = stats->process_cpu_ns / period, gap = used - known;
    int64_t beyond = gap - 2, threads = (int64_t)stats->threads_covered + 1, variance = threads < used ? threads : used;
    bool chance = beyond <= 0 || (double)beyond * (double)beyond < 4.0 * (double)variance;
    return chance || gap * 50 < used ? 0 : gap;
}

/* An event counts some microseconds of each switch of threads, and of waiting for the machine, that are in no thread's
 * CPU time: no more than that has room for. */
static int64_t kernel_ticks(const struct cpu_stats *stats, int64_t known, int64_t period)
{
    int64_t counted = (stats->kernel_cpu_ns + period / 2) / period, room = stats->process_cpu_ns / period - known;
    return room < 0 ? 0 : counted < room ? counted : room;
}

/* Losses as samples, and the kernel's time, so that totals stay right and nobody has to read a comment to see them. */
static enum status add_losses(struct model *m, const struct cpu_stats *stats)
{
    int64_t ring = (int64_t)stats->lost_ring_full, unseen = stats->uncovered_cpu_ns / m->period;
    int64_t kernel = kernel_ticks(stats, (int64_t)stats->ticks + ring + unseen, m->period);
    const struct {
        const char *frame;
        int64_t ticks;
    } losses[] = {
        {"<kernel>", kernel},
        {"<lost: ring full>", ring},
        {"<lost: thread not found yet>", unseen},
        {"<lost: not sampled>", gap_ticks(stats, (int64_t)stats->ticks + kernel + ring + unseen, m->period)},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof losses / sizeof *losses && !status; i++)
        if (losses[i].ticks)
            status = collect_add_lost(m, losses[i].frame, losses[i].ticks, losses[i].ticks * m->period);
    return status;
}

static enum status add_thread_comment(struct model *m, uint32_t n, const char *what)
{
    char text[256];
    if (!n)
        return STATUS_OK;
    snprintf(text, sizeof text, "cprof: not sampled: %" PRIu32 " %s %s", n, n == 1 ? "thread" : "threads", what);
    return model_add_comment(m, text);
}

static enum status add_clock_comments(struct model *m, const struct cpu_stats *stats)
{
    char text[256];
    enum status status = STATUS_OK;
    if (stats->threads_perf) {
        snprintf(text, sizeof text,
                 "cprof: perf clock, at random periods, on %" PRIu32 " %s; time in the kernel: <kernel>",
                 stats->threads_perf, stats->threads_perf == 1 ? "thread" : "threads");
        status = model_add_comment(m, text);
    }
    if (!status && stats->threads_timer) {
        snprintf(text, sizeof text,
                 "cprof: timers on %" PRIu32 " %s: what a program does in step with the kernel's tick may be shown "
                 "wrongly; time in the kernel shows where it was entered",
                 stats->threads_timer, stats->threads_timer == 1 ? "thread" : "threads");
        status = model_add_comment(m, text);
    }
    return status;
}

static enum status add_scans_comment(struct model *m, uint64_t failed)
{
    char text[256];
    if (!failed)
        return STATUS_OK;
    snprintf(text, sizeof text,
             "cprof: %" PRIu64 " %s at /proc/self/task failed, or showed another namespace's numbers: threads were not "
             "found then",
             failed, failed == 1 ? "look" : "looks");
    return model_add_comment(m, text);
}

/* What the profile cannot show by samples. */
static enum status add_comments(struct model *m, const struct cpu_stats *stats)
{
    char text[256];
    snprintf(text, sizeof text,
             "cprof: %" PRIu32 " Hz on each thread's CPU clock; %" PRIu64 " samples standing for %" PRIu64
             " ticks; the process used %.3f s of CPU",
             stats->hz, stats->samples, stats->ticks, (double)stats->process_cpu_ns / 1e9);
    enum status status = model_add_comment(m, text);
    if (!status)
        status = add_clock_comments(m, stats);
    if (!status && stats->engine_hz > stats->hz) {
        snprintf(text, sizeof text, "cprof: thinned from %" PRIu32 " Hz, which another profile asked for",
                 stats->engine_hz);
        status = model_add_comment(m, text);
    }
    if (!status)
        status = add_thread_comment(m, stats->threads_blocked, "with SIGPROF blocked (or in strict seccomp mode)");
    if (!status)
        status = add_thread_comment(m, stats->threads_refused, "without a timer (RLIMIT_SIGPENDING)");
    if (!status)
        status = add_scans_comment(m, stats->scans_failed);
    if (!status && taken_function()) {
        snprintf(text, sizeof text, "cprof: no names: the program defines %.100s, which our symbol reader would call",
                 taken_function());
        status = model_add_comment(m, text);
    }
    if (!status && stats->stolen)
        status = model_add_comment(m, "cprof: the program installed its own SIGPROF handler; sampling ended then");
    return status;
}

enum status cpu_profile_fill(const struct cpu_facts *facts, const struct collect *collected,
                             const struct process *process, struct model *m, struct reason *why)
{
    const struct cpu_stats *stats = &facts->stats;
    struct naming naming;
    enum status status = naming_open(&naming, process, (enum naming_names)facts->names, why);
    if (status)
        return status;
    if ((status = model_add_type(m, "samples", "count")) || (status = model_add_type(m, "cpu", "nanoseconds")) ||
        (status = model_set_period(m, "cpu", "nanoseconds", NS_PER_S / (stats->hz ? stats->hz : CPU_HZ_DEFAULT))))
        goto done;
    naming.maps.vacated = &facts->vacated;
    m->time_nanos = facts->started_ns;
    m->duration_nanos = facts->duration_ns;
    status = collect_model(collected, &naming.maps, &naming.namer, m);
    if (!status)
        status = add_losses(m, stats);
    if (!status)
        status = add_comments(m, stats);
done:
    naming_close(&naming);
    return status;
}
