#include "encode/capture.h"

#include "encode/pprof.h"
#include "profile/collect.h"
#include "profile/maps.h"
#include "sampler/cpu.h"
#include "symbol/symbols.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

struct capture {
    struct cpu_window *window;
    struct collect collect;
    int64_t started_ns; /* wall clock */
    int64_t started_mono_ns;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void put(void *self, const struct record *record)
{
    collect_put(&((struct capture *)self)->collect, record);
}

enum status capture_start(uint32_t hz, struct capture **out, struct reason *why)
{
    struct capture *c = calloc(1, sizeof *c);
    if (!c)
        return STATUS_NOMEM;
    enum status status = collect_init(&c->collect);
    if (status) {
        free(c);
        return status;
    }
    c->started_ns = clock_ns(CLOCK_REALTIME);
    c->started_mono_ns = clock_ns(CLOCK_MONOTONIC);
    status = cpu_window_open(hz, (struct cpu_sink){put, c}, &c->window, why);
    if (status) {
        collect_fini(&c->collect);
        free(c);
        return status;
    }
    *out = c;
    return STATUS_OK;
}

/* CPU time that neither a tick nor a known loss stands for. Ticks are a sample: each thread may be a period off by
 * chance, and only what is beyond two standard errors of that, and beyond 2 %, is said to be lost. */
static int64_t gap_ticks(const struct cpu_stats *stats, int64_t known, int64_t period)
{
    int64_t used = stats->process_cpu_ns / period, gap = used - known;
    int64_t beyond = gap - 2, threads = (int64_t)stats->threads_covered + 1;
    bool chance = beyond <= 0 || beyond * beyond < 4 * threads;
    return chance || gap * 50 < used ? 0 : gap;
}

/* Losses as samples, so that totals stay right and nobody has to read a comment to see them. */
static enum status add_losses(struct model *m, const struct cpu_stats *stats)
{
    int64_t ring = (int64_t)stats->lost_ring_full, unseen = stats->uncovered_cpu_ns / m->period;
    const struct {
        const char *frame;
        int64_t ticks;
    } losses[] = {
        {"<lost: ring full>", ring},
        {"<lost: thread not found yet>", unseen},
        {"<lost: not sampled>", gap_ticks(stats, (int64_t)stats->ticks + ring + unseen, m->period)},
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
        status = add_thread_comment(m, stats->threads_blocked, "with SIGPROF blocked (or in strict seccomp mode)");
    if (!status)
        status = add_thread_comment(m, stats->threads_refused, "without a timer (RLIMIT_SIGPENDING)");
    if (!status && stats->stolen)
        status = model_add_comment(m, "cprof: the program installed its own SIGPROF handler; sampling ended then");
    return status;
}

static enum status fill(const struct capture *c, const struct cpu_stats *stats, struct model *m, struct reason *why)
{
    struct symbols *symbols = NULL;
    struct maps maps;
    enum status status = maps_read("/proc/self/maps", &maps, why);
    if (status)
        return status;
    status = symbols_open(&symbols, why);
    if (status)
        goto done;
    if ((status = model_add_type(m, "samples", "count")) || (status = model_add_type(m, "cpu", "nanoseconds")) ||
        (status = model_set_period(m, "cpu", "nanoseconds", NS_PER_S / (stats->hz ? stats->hz : CPU_HZ_DEFAULT))))
        goto done;
    m->time_nanos = c->started_ns;
    m->duration_nanos = clock_ns(CLOCK_MONOTONIC) - c->started_mono_ns;
    struct namer namer = symbols_namer(symbols);
    status = collect_model(&c->collect, &maps, &namer, m);
    if (!status)
        status = add_losses(m, stats);
    if (!status)
        status = add_comments(m, stats);
done:
    if (symbols)
        symbols_close(symbols);
    maps_fini(&maps);
    return status;
}

enum status capture_finish(struct capture *c, struct buf *out, struct reason *why)
{
    struct cpu_stats stats = {0};
    struct model m;
    cpu_window_close(c->window, &stats);
    enum status status = model_init(&m);
    if (status)
        goto done;
    status = fill(c, &stats, &m, why);
    if (!status)
        status = pprof_write(&m, out, why);
    model_fini(&m);
done:
    collect_fini(&c->collect);
    free(c);
    return status;
}

void capture_cancel(struct capture *c)
{
    cpu_window_close(c->window, NULL);
    collect_fini(&c->collect);
    free(c);
}
