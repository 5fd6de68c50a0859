/* The core's face to its doors: the functions of cprof.h, each a status and a remembered sentence. */
#include "api/core_table.h"

#include "api/cprof.h"
#include "api/embedded.h"
#include "api/enter.h"
#include "api/last_error.h"
#include "api/output.h"
#include "api/outside.h"
#include "api/profiles.h"
#include "api/quiet.h"
#include "api/recording.h"
#include "api/records.h"
#include "api/run.h"
#include "api/serve_options.h"
#include "api/vars_table.h"
#include "base/definition.h"
#include "base/labels.h"
#include "base/thread.h"
#include "encode/vitals.h"
#include "hook/got.h"
#include "hook/hooks.h"
#include "http/address.h"
#include "http/call.h"
#include "http/collector.h"
#include "http/registry.h"
#include "http/server.h"
#include "http/vars.h"
#include "sampler/cpu.h"
#include "sampler/custom.h"
#include "sampler/memstats.h"
#include "vars/published.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SAME(public, internal) _Static_assert((int)(public) == (int)(internal), "one error enum")
SAME(CPROF_ERR_NOMEM, STATUS_NOMEM);
SAME(CPROF_ERR_INVALID, STATUS_INVALID);
SAME(CPROF_ERR_BUSY, STATUS_BUSY);
SAME(CPROF_ERR_IN_USE, STATUS_IN_USE);
SAME(CPROF_ERR_ADDRESS, STATUS_ADDRESS);
SAME(CPROF_ERR_DENIED, STATUS_DENIED);
SAME(CPROF_ERR_SYSTEM, STATUS_SYSTEM);
SAME(CPROF_ERR_MALFORMED, STATUS_MALFORMED);
SAME(CPROF_ERR_TOO_BIG, STATUS_TOO_BIG);
SAME(CPROF_ERR_NOT_RUNNING, STATUS_NOT_RUNNING);
SAME(CPROF_ERR_DISABLED, STATUS_DISABLED);
SAME(CPROF_ERR_UNSUPPORTED, STATUS_UNSUPPORTED);
SAME(CPROF_ERR_NO_CORE, STATUS_NO_CORE);

#define DEFAULT_ADDRESS "127.0.0.1:6060"

static int serve(const char *addr)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, server_start(SERVER_INSIDE, addr ? addr : DEFAULT_ADDRESS, &why), &why);
}

static int serve_with(const struct cprof_serve_options *options)
{
    struct cprof_serve_options known;
    struct reason why = {0};
    int state = enter();
    enum status status = serve_options_read(options, &known, &why);
    if (status)
        return leave(state, status, &why);
    struct policy_wish wish = {.allow_remote = known.allow_remote,
                               .without_token = known.without_token,
                               .token = known.token,
                               .token_file = known.token_file,
                               .allow_host = known.allow_host};
    status = server_start_with(SERVER_INSIDE, known.addr ? known.addr : DEFAULT_ADDRESS, &wish, &why);
    return leave(state, status, &why);
}

static int serve_outside(const struct cprof_outside *wanted)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, outside_serve(wanted, wanted->http, &why), &why);
}

static const char *serve_outside_addr(void)
{
    static char text[ADDRESS_ROOM];
    int state = enter();
    enum status status = server_address(SERVER_OUTSIDE, text, sizeof text);
    pthread_setcancelstate(state, NULL);
    return status == STATUS_OK ? text : NULL;
}

/* A program that only asks where it is served has no other server to tell it of. */
static const char *serve_addr(void)
{
    static char text[ADDRESS_ROOM];
    int state = enter();
    enum status status = server_address(SERVER_INSIDE, text, sizeof text);
    pthread_setcancelstate(state, NULL);
    return status == STATUS_OK ? text : serve_outside_addr();
}

static int close_server(void)
{
    int state = enter();
    return leave(state, server_stop(SERVER_INSIDE), NULL);
}

static int close_outside(void)
{
    int state = enter();
    return leave(state, server_stop(SERVER_OUTSIDE), NULL);
}

static int cpu_start(int fd, int hz)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, recording_start(fd, hz, &why), &why);
}

static int cpu_stop(void)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, recording_stop(&why), &why);
}

static int set_cpu_hz(int hz)
{
    int state = enter();
    uint32_t old = cpu_set_hz(hz > 0 ? (uint32_t)hz : 0);
    leave(state, STATUS_OK, NULL);
    return (int)old;
}

static int record_start(const char *kind, int hz, struct cprof_record **out)
{
    struct reason why = {0};
    int state = enter();
    return leave(state, records_start(kind, hz, out, &why), &why);
}

static int record_stop(struct cprof_record *r, void **bytes, size_t *n)
{
    struct reason why = {0};
    struct buf out = {0};
    int state = enter();
    enum status status = records_stop(r, &out, &why);
    if (status)
        buf_fini(&out);
    *bytes = out.data;
    *n = out.len;
    return leave(state, status, &why);
}

static void record_drop(struct cprof_record *r)
{
    int state = enter();
    records_drop(r);
    leave(state, STATUS_OK, NULL);
}

static void bytes_free(void *bytes)
{
    free(bytes);
}

static int profile_new(const char *name, struct cprof_profile **out)
{
    struct reason why = {0};
    if (thread_is_forbidden()) /* not even what enter() asks */
        return last_error_keep(profiles_new(name, out, &why), &why);
    int state = enter();
    return leave(state, profiles_new(name, out, &why), &why);
}

static struct cprof_profile *profile_lookup(const char *name)
{
    return profiles_lookup(name);
}

static int profile_add(struct cprof_profile *p, const void *value, int skip, const struct here *from)
{
    struct reason why = {0};
    if (thread_is_forbidden())
        return last_error_keep(profiles_add(p, value, skip, from, &why), &why);
    int state = enter();
    return leave(state, profiles_add(p, value, skip, from, &why), &why);
}

static int profile_remove(struct cprof_profile *p, const void *value)
{
    if (thread_is_forbidden())
        return STATUS_OK;
    int state = enter();
    profiles_remove(p, value);
    return leave(state, STATUS_OK, NULL);
}

static int profile_count(struct cprof_profile *p)
{
    uint64_t n = profiles_count(p);
    return n < INT_MAX ? (int)n : INT_MAX;
}

static int snapshot(const char *kind, int debug, void **bytes, size_t *n)
{
    struct reason why = {0};
    struct buf out = {0};
    int state = enter();
    enum status status = profiles_write(kind, debug, &out, &why);
    if (status)
        buf_fini(&out);
    *bytes = out.data;
    *n = out.len;
    return leave(state, status, &why);
}

static int write_profile(const char *kind, int fd, int debug)
{
    struct reason why = {0};
    struct buf out = {0};
    int state = enter();
    enum status status = output_check(fd, &why);
    if (!status)
        status = profiles_write(kind, debug, &out, &why);
    if (!status)
        status = output_write(fd, &out, &why);
    buf_fini(&out);
    return leave(state, status, &why);
}

static const struct hook_functions *run(const struct cprof_run *wanted, const struct hook_functions *next)
{
    int state = enter();
    run_start(wanted, next);
    pthread_setcancelstate(state, NULL);
    return &hook_functions;
}

static int write_dump(int dump, int out, int add, const char *program_link)
{
    struct reason why = {0};
    return last_error_keep(run_write_dump(dump, out, add, program_link, &why), &why);
}

static int vars_publish(const char *name, size_t n, struct var *v)
{
    struct reason why = {0};
    return last_error_keep(published_add(name, n, v, &why), &why);
}

/* Inside whatever the program allocates, and often: without what enter() asks the kernel. */
static void collected(int64_t start_ns, int64_t end_ns, int forced)
{
    memstats_gc(start_ns, end_ns, forced);
}

static int fail(int code, const char *sentence)
{
    struct reason why;
    status_because(&why, (enum status)code, "%s", sentence);
    return last_error_keep((enum status)code, &why);
}

static const char *version(void)
{
    return CPROF_VERSION;
}

static void go_quiet(void)
{
    thread_forbid();
    quiet_go();
}

/* What C code has published, and will: see door/vars.c. */
static void join_front(void)
{
    void *at = definition_of(CPROF_FRONT_SYMBOL, NULL);
    void (*join)(uint32_t, const struct cprof_core *) = (void (*)(uint32_t, const struct cprof_core *))(uintptr_t)at;
    if (join)
        join(CPROF_CORE_ABI, cprof_core_table(CPROF_CORE_ABI));
}

static struct labels *labels_join(struct labels *front)
{
    struct labels *in_force = labels_settle(front);
    labels_use(in_force);
    return in_force;
}

/* Where no front has come first. A word that says whose it is was perhaps written before a fork. */
static void start_labels(void)
{
    static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = labels_know_thread};
    labels_join(labels_own());
    labels_know_thread();
    atfork_register(&fork_hooks);
}

__attribute__((constructor)) static void start(void)
{
    static const struct hook_events events = {.secluding = go_quiet,
                                              .blocking = cpu_thread_blocks,
                                              .unblocked = cpu_thread_unblocked,
                                              .resting = quiet_rest,
                                              .rested = quiet_resume};
    got_configure(&events);
    const char *hz = secure_getenv("CPROF_CPU_HZ");
    if (hz)
        set_cpu_hz(atoi(hz));
    const char *clock = secure_getenv("CPROF_CPU_CLOCK");
    if (clock && strcmp(clock, "timer") == 0)
        cpu_choose_clock(CPU_CLOCK_TIMER);
    registry_set_version(CPROF_VERSION);
    vitals_set_version(CPROF_VERSION);
    vars_init();
    join_front();
    start_labels();
}

__attribute__((visibility("default"))) const struct cprof_core *cprof_core_table(uint32_t abi)
{
    static const struct cprof_core table = {
        .serve = serve,
        .serve_with = serve_with,
        .serve_addr = serve_addr,
        .close = close_server,
        .serve_outside = serve_outside,
        .serve_outside_addr = serve_outside_addr,
        .close_outside = close_outside,
        .cpu_start = cpu_start,
        .cpu_stop = cpu_stop,
        .set_cpu_hz = set_cpu_hz,
        .record_start = record_start,
        .record_stop = record_stop,
        .record_drop = record_drop,
        .bytes_free = bytes_free,
        .http_handle = embedded_handle,
        .http_response_free = embedded_response_free,
        .http_set = embedded_set,
        .http_write = embedded_write,
        .route = embedded_route,
        .profile_new = profile_new,
        .profile_lookup = profile_lookup,
        .profile_add = profile_add,
        .profile_remove = profile_remove,
        .profile_count = profile_count,
        .write = write_profile,
        .snapshot = snapshot,
        .run = run,
        .write_dump = write_dump,
        .vars_publish = vars_publish,
        .vars_call = call_want,
        .vars = &vars_table,
        .labels_join = labels_join,
        .collected = collected,
        .set_collector = collector_set,
        .fail = fail,
        .last_error = last_error,
        .version = version,
    };
    return abi == CPROF_CORE_ABI ? &table : NULL;
}
