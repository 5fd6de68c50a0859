#include "encode/capture.h"

#include "base/clock.h"
#include "encode/cpu_profile.h"
#include "encode/dump.h"
#include "encode/pprof.h"

#include <stdlib.h>
#include <time.h>

/* The engine holds its lock for well under a millisecond; a signal handler of a dying program waits for no more than
 * this. */
#define DUMP_PATIENCE_NS INT64_C(500000000)

#define NS_PER_S INT64_C(1000000000)

struct capture {
    struct cpu_window *window;
    struct collect collect;
    int64_t started_ns; /* wall clock */
    int64_t started_mono_ns;
};

static void put(void *self, const struct record *record, const char *thread, uint32_t ticks, uint32_t period_ns)
{
    collect_put(&((struct capture *)self)->collect, record, thread, ticks, period_ns);
}

static void start_clocks(struct capture *c)
{
    c->started_ns = clock_ns(CLOCK_REALTIME);
    c->started_mono_ns = clock_ns(CLOCK_MONOTONIC);
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
    start_clocks(c);
    status = cpu_window_open(hz, (struct cpu_sink){put, c}, &c->window, why);
    if (status) {
        collect_fini(&c->collect);
        free(c);
        return status;
    }
    *out = c;
    return STATUS_OK;
}

static struct cpu_facts facts_of(const struct capture *c)
{
    return (struct cpu_facts){
        .started_ns = c->started_ns,
        .duration_ns = clock_ns(CLOCK_MONOTONIC) - c->started_mono_ns,
        .names = NAMING_WITH,
    };
}

enum status capture_finish(struct capture *c, enum naming_names names, struct buf *out, struct reason *why)
{
    struct model m;
    struct cpu_facts facts = facts_of(c);
    facts.names = names;
    cpu_window_close(c->window, &facts.stats);
    vacated_since(c->started_mono_ns, &facts.vacated);
    enum status status = model_init(&m);
    if (status)
        goto done;
    status = cpu_profile_fill(&facts, &c->collect, &process_self, &m, why);
    if (!status)
        status = pprof_write(&m, out, why);
    model_fini(&m);
done:
    collect_fini(&c->collect);
    free(c);
    return status;
}

struct dumping {
    struct capture *capture;
    int fd;
    int64_t host_ns;
    bool written;
};

static void dump_window(void *arg, const struct cpu_stats *stats)
{
    struct dumping *d = arg;
    struct cpu_facts facts = facts_of(d->capture);
    facts.stats = *stats;
    vacated_since(d->capture->started_mono_ns, &facts.vacated);
    d->written = dump_write(d->fd, &facts, &d->capture->collect);
    if (d->written) {
        stacktab_clear(&d->capture->collect.stacks);
        start_clocks(d->capture);
        cpu_window_restart(d->capture->window, d->host_ns);
    }
}

bool capture_dump(struct capture *c, int fd, int64_t host_ns)
{
    struct dumping d = {.capture = c, .fd = fd, .host_ns = host_ns};
    return cpu_window_visit(c->window, host_ns, DUMP_PATIENCE_NS, dump_window, &d) && d.written;
}

void capture_cancel(struct capture *c)
{
    cpu_window_close(c->window, NULL);
    collect_fini(&c->collect);
    free(c);
}
