#include "http/health.h"

#include "encode/vitals.h"
#include "http/html.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum tone { PLAIN, BAD };

static void open_row(struct buf *out, const char *what, enum tone tone)
{
    buf_printf(out, "<tr><th scope=\"row\">%s</th><td%s>", what, tone == BAD ? " class=\"bad\"" : "");
}

static void close_row(struct buf *out)
{
    buf_puts(out, "</td></tr>\n");
}

/* Without printf's %f, which writes the host's decimal separator. */
static void put_tenths(struct buf *out, double value)
{
    uint64_t tenths = (uint64_t)(value * 10 + 0.5);
    buf_printf(out, "%" PRIu64 ".%u", tenths / 10, (unsigned)(tenths % 10));
}

static void put_bytes(struct buf *out, uint64_t n)
{
    if (n < 1 << 20)
        buf_printf(out, "%" PRIu64 " kB", (n + 512) >> 10);
    else {
        put_tenths(out, (double)n / (1 << 20));
        buf_puts(out, " MB");
    }
}

static void put_time(struct buf *out, double seconds)
{
    uint64_t s = (uint64_t)seconds;
    if (s >= 86400)
        buf_printf(out, "%" PRIu64 " d ", s / 86400);
    if (s >= 3600)
        buf_printf(out, "%u h ", (unsigned)(s / 3600 % 24));
    if (s >= 60)
        buf_printf(out, "%u min ", (unsigned)(s / 60 % 60));
    buf_printf(out, "%u s", (unsigned)(s % 60));
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

/* Nothing where nothing happened: a row is news. */
static void put_loss(struct buf *out, const char *what, uint64_t n, const char *one, const char *many)
{
    if (!n)
        return;
    open_row(out, what, BAD);
    buf_printf(out, "%" PRIu64 " %s", n, plural(n, one, many));
    close_row(out);
}

static void put_engine(struct buf *out, const struct vitals *v)
{
    open_row(out, "CPU engine", PLAIN);
    if (v->cpu.windows)
        buf_printf(out, "sampling for %u %s", v->cpu.windows,
                   plural(v->cpu.windows, "profile under way", "profiles under way"));
    else
        buf_puts(out, "not sampling now");
    close_row(out);
    open_row(out, "Rate", PLAIN);
    if (v->cpu.hz)
        buf_printf(out, "%u Hz, %u Hz asked", v->cpu.hz, v->cpu.asked_hz);
    else
        buf_printf(out, "%u Hz unless a profile names another", v->cpu.set_hz);
    if (v->cpu_hz_achieved > 0) {
        buf_puts(out, "; achieved so far ");
        put_tenths(out, v->cpu_hz_achieved);
        buf_puts(out, " stacks per second of CPU time");
    }
    close_row(out);
    open_row(out, "Other engines", PLAIN);
    buf_puts(out, "none: heap, allocs, block and mutex are empty in this version");
    close_row(out);
}

static void put_threads(struct buf *out, const struct vitals *v)
{
    const struct cpu_stats *cpu = &v->cpu;
    open_row(out, "Threads", PLAIN);
    buf_printf(out, "%u now", v->threads);
    if (cpu->threads_covered)
        buf_printf(out, "; sampled at once, at most: %u, of them by perf clocks: %u", cpu->threads_covered,
                   cpu->threads_perf);
    close_row(out);
    put_loss(out, "Threads not sampled", cpu->threads_blocked, "blocks SIGPROF, or is in strict seccomp mode",
             "block SIGPROF, or are in strict seccomp mode");
    put_loss(out, "Threads not sampled", cpu->threads_refused, "got no timer (RLIMIT_SIGPENDING)",
             "got no timer (RLIMIT_SIGPENDING)");
    if (cpu->uncovered_cpu_ns > 0) {
        open_row(out, "CPU time not sampled", BAD);
        put_tenths(out, (double)cpu->uncovered_cpu_ns / 1e6);
        buf_puts(out, " ms, of threads that were found late");
        close_row(out);
    }
    put_loss(out, "New threads missed", cpu->scans_failed, "look at /proc/self/task failed",
             "looks at /proc/self/task failed");
}

static void put_samples(struct buf *out, const struct vitals *v)
{
    const struct cpu_stats *cpu = &v->cpu;
    open_row(out, "Samples", PLAIN);
    buf_printf(out, "%" PRIu64 " %s, which stand for %" PRIu64 " %s", cpu->samples,
               plural(cpu->samples, "stack", "stacks"), cpu->ticks, plural(cpu->ticks, "tick", "ticks"));
    close_row(out);
    if (!cpu->lost_ring_full) {
        open_row(out, "Samples lost", PLAIN);
        buf_puts(out, "none");
        close_row(out);
    }
    put_loss(out, "Samples lost", cpu->lost_ring_full, "tick found no room: the ring was full",
             "ticks found no room: the ring was full");
    put_loss(out, "Labels refused", v->labels.refused, "push: too many sets, or a text that is too long",
             "pushes: too many sets, or texts that are too long");
    put_loss(out, "Stacks cut short", cpu->truncated, "too deep, or not to be walked to its end",
             "too deep, or not to be walked to their end");
    if (cpu->late) {
        open_row(out, "Ticks too late", PLAIN);
        buf_printf(out, "%" PRIu64 ", when nobody sampled any more", cpu->late);
        close_row(out);
    }
}

static void put_hooks(struct buf *out, const struct vitals *v)
{
    open_row(out, "SIGPROF", v->cpu.stolen ? BAD : PLAIN);
    buf_puts(out, v->cpu.stolen ? "taken: the program put its own handler over ours"
                  : v->cpu.hz   ? "handled by us"
                                : "handled by us while a profile is taken");
    if (v->cpu.foreign)
        buf_printf(out, "; %" PRIu64 " not of our making, passed on", v->cpu.foreign);
    close_row(out);
    open_row(out, "Hooks", PLAIN);
    if (v->calls_preloaded)
        buf_puts(out, "calls pass through the library that cprof run preloads");
    else if (v->calls_redirected)
        buf_printf(out, "calls are redirected at %u %s", v->calls_redirected,
                   plural(v->calls_redirected, "place", "places"));
    else
        buf_puts(out, "none now");
    close_row(out);
    if (!v->names_taken)
        return;
    open_row(out, "Names", BAD);
    buf_puts(out, "off: the program defines ");
    html_put(out, v->names_taken, strlen(v->names_taken));
    close_row(out);
}

static void put_process(struct buf *out, const struct vitals *v)
{
    open_row(out, "Memory of the profiler", PLAIN);
    put_bytes(out, v->memory_bytes);
    if (v->names_bytes) {
        buf_puts(out, ", of it ");
        put_bytes(out, v->names_bytes);
        buf_puts(out, " for names of earlier profiles");
    }
    buf_puts(out, ", its libraries aside");
    close_row(out);
    open_row(out, "The process", PLAIN);
    buf_printf(out, "pid %d, ", (int)getpid());
    put_bytes(out, v->rss_bytes);
    buf_printf(out, " resident, %u open %s, up ", v->descriptors, plural(v->descriptors, "descriptor", "descriptors"));
    put_time(out, v->uptime_seconds);
    close_row(out);
}

void health_put(struct buf *out)
{
    struct vitals v;
    vitals_read(&v);
    buf_printf(
        out,
        "<table class=\"facts\">\n<caption>cprof %s in this process; counts are totals since its start</caption>\n"
        "<tbody>\n",
        v.version);
    put_engine(out, &v);
    put_threads(out, &v);
    put_samples(out, &v);
    put_hooks(out, &v);
    put_process(out, &v);
    buf_puts(out, "</tbody>\n</table>\n");
}
