#include "encode/threads_trace.h"

#include "base/clock.h"
#include "encode/gotrace.h"
#include "encode/threads_profile.h"

#include <string.h>
#include <unistd.h>

/* Frames without an address have one that no code has; that of a thread's name follows from its tid. */
#define PC_TRUNCATED 1
#define PC_NAME      2

struct trace {
    struct gotrace to;
    const struct namer *namer;
    uint64_t truncated; /* "<truncated>", a string */
};

/* What a thread has while its events are written. */
struct goroutine {
    uint64_t id, processor;
    uint64_t sequence, processor_sequence;
    enum gotrace_go state;
    bool has_processor; /* known to the reader */
};

enum status threads_look(struct threads_look *out, struct reason *why)
{
    out->ns = (uint64_t)clock_mono_ns();
    return threads_view(&out->views, why);
}

void threads_look_fini(struct threads_look *l)
{
    threads_fini(&l->views);
}

static enum gotrace_go state_of(const struct thread_view *v)
{
    const char *state = threads_profile_state(v);
    return strcmp(state, "running") == 0   ? GOTRACE_RUNNING
           : strcmp(state, "syscall") == 0 ? GOTRACE_IN_SYSCALL
                                           : GOTRACE_WAITING;
}

/* The words that the trace tool sorts by. */
static const char *reason_of(const struct thread_view *v)
{
    const char *state = threads_profile_state(v);
    return strcmp(state, "semacquire") == 0 ? "sync"
           : strcmp(state, "IO wait") == 0  ? "network"
           : strcmp(state, "sleep") == 0    ? "sleep"
                                            : "unspecified";
}

/* An inlined frame needs a pc of its own, which only has to differ. */
static size_t put_place(struct trace *t, uint64_t pc, struct gotrace_frame *frames)
{
    struct named_frame named[NAMER_MAX_INLINE];
    size_t n = t->namer->frames(t->namer->self, pc, named);
    for (size_t i = 0; i < n; i++)
        frames[i] =
            (struct gotrace_frame){pc + i, gotrace_string(&t->to, named[i].name), gotrace_string(&t->to, named[i].file),
                                   named[i].line > 0 ? (uint64_t)named[i].line : 0};
    if (!n)
        frames[n++] = (struct gotrace_frame){.pc = pc};
    frames[n++] = (struct gotrace_frame){.pc = PC_TRUNCATED, .function = t->truncated};
    return n;
}

/* The root frame is what the tool calls a goroutine. */
static uint64_t stack_of(struct trace *t, const struct thread_view *v)
{
    struct gotrace_frame frames[NAMER_MAX_INLINE + 2];
    size_t n = v->pc ? put_place(t, v->pc, frames) : 0;
    frames[n++] = (struct gotrace_frame){.pc = PC_NAME + (uint64_t)v->tid, .function = gotrace_string(&t->to, v->name)};
    return gotrace_stack(&t->to, frames, n);
}

/* --- a thread's steps --------------------------------------------------------------------------------------------- */

static void show(struct trace *t, struct goroutine *g, uint64_t ns, const struct thread_view *v)
{
    g->state = state_of(v);
    g->sequence = 0;
    if (g->state == GOTRACE_RUNNING && !g->has_processor) {
        GOTRACE_PUT(&t->to, ns, GOTRACE_PROC_STATUS, g->processor, GOTRACE_PROC_RUNNING);
        g->has_processor = true;
    }
    GOTRACE_PUT(&t->to, ns, GOTRACE_GO_STATUS, g->id, g->state == GOTRACE_WAITING ? GOTRACE_NO_THREAD : v->tid,
                g->state, stack_of(t, v));
}

static void start_processor(struct trace *t, struct goroutine *g, uint64_t ns)
{
    if (!g->has_processor)
        GOTRACE_PUT(&t->to, ns, GOTRACE_PROC_STATUS, g->processor, GOTRACE_PROC_IDLE);
    g->has_processor = true;
    g->processor_sequence++;
    GOTRACE_PUT(&t->to, ns, GOTRACE_PROC_START, g->processor, g->processor_sequence);
}

static void run(struct trace *t, struct goroutine *g, uint64_t ns)
{
    if (g->state == GOTRACE_RUNNING)
        return;
    if (g->state == GOTRACE_IN_SYSCALL) {
        gotrace_put(&t->to, ns, GOTRACE_SYSCALL_END_BLOCKED, NULL, 0);
    } else {
        g->sequence++;
        GOTRACE_PUT(&t->to, ns, GOTRACE_GO_UNBLOCK, g->id, g->sequence, 0);
    }
    start_processor(t, g, ns);
    g->sequence++;
    GOTRACE_PUT(&t->to, ns, GOTRACE_GO_START, g->id, g->sequence);
    g->state = GOTRACE_RUNNING;
}

/* Only what runs can begin to wait. */
static void change(struct trace *t, struct goroutine *g, uint64_t ns, const struct thread_view *v)
{
    enum gotrace_go wanted = state_of(v);
    if (g->state == wanted) {
        show(t, g, ns, v);
        return;
    }
    run(t, g, ns);
    if (wanted == GOTRACE_WAITING) {
        GOTRACE_PUT(&t->to, ns, GOTRACE_GO_BLOCK, gotrace_string(&t->to, reason_of(v)), stack_of(t, v));
        gotrace_put(&t->to, ns, GOTRACE_PROC_STOP, NULL, 0);
    } else if (wanted == GOTRACE_IN_SYSCALL) {
        g->processor_sequence++;
        GOTRACE_PUT(&t->to, ns, GOTRACE_SYSCALL_BEGIN, g->processor_sequence, stack_of(t, v));
    }
}

static void end(struct trace *t, struct goroutine *g, uint64_t ns)
{
    if (g->state == GOTRACE_IN_SYSCALL) {
        gotrace_put(&t->to, ns, GOTRACE_GO_DESTROY_SYSCALL, NULL, 0);
        return;
    }
    run(t, g, ns);
    gotrace_put(&t->to, ns, GOTRACE_GO_DESTROY, NULL, 0);
    gotrace_put(&t->to, ns, GOTRACE_PROC_STOP, NULL, 0);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* The order of threads_view. */
static bool is_before(const struct thread_view *a, const struct thread_view *b)
{
    uint32_t first = (uint32_t)getpid();
    return (a->tid == first) != (b->tid == first) ? a->tid == first : a->tid < b->tid;
}

/* Each in a batch of its own. One of before and after may be NULL. */
static void put_thread(struct trace *t, struct goroutine g, const struct thread_view *before, uint64_t before_ns,
                       const struct thread_view *after, uint64_t after_ns)
{
    gotrace_thread(&t->to, g.id);
    if (before)
        show(t, &g, before_ns, before);
    if (before && after)
        change(t, &g, after_ns, after);
    else if (before)
        end(t, &g, after_ns);
    else if (after)
        show(t, &g, after_ns, after);
}

static void put_threads(struct trace *t, const struct threads_look *first, const struct threads_look *second)
{
    const struct thread_views *a = &first->views, *b = &second->views;
    uint64_t nth = 0;
    for (size_t i = 0, k = 0; i < a->n || k < b->n; nth++) {
        const struct thread_view *before = i < a->n ? &a->at[i] : NULL, *after = k < b->n ? &b->at[k] : NULL;
        if (before && after && is_before(before, after))
            after = NULL;
        else if (before && after && is_before(after, before))
            before = NULL;
        struct goroutine g = {.id = before ? before->tid : after ? after->tid : 0, .processor = nth};
        put_thread(t, g, before, first->ns, after, second->ns);
        i += before != NULL;
        k += after != NULL;
    }
}

enum status threads_trace_write(const struct threads_look *first, const struct threads_look *second,
                                enum naming_names names, struct buf *out, struct reason *why)
{
    struct naming naming;
    struct trace t = {0};
    enum status status = naming_open(&naming, &process_self, names, why);
    if (status)
        return status;
    t.namer = &naming.namer;
    gotrace_start(&t.to, first->ns, out);
    t.truncated = gotrace_string(&t.to, "<truncated>");
    put_threads(&t, first, second);
    gotrace_end(&t.to);
    naming_close(&naming);
    return out->failed ? STATUS_NOMEM : STATUS_OK;
}
