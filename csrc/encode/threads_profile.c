#include "encode/threads_profile.h"

#include "encode/text.h"
#include "profile/labelrows.h"

#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>

/* The walk from a system call's entry to main needs registers that nobody shows; so far a stack is its leaf. */
#define TRUNCATED_FRAME "<truncated>"

#define DUMP_MAX_BYTES (64 << 20) /* as Go: what is beyond is cut off */

struct frames {
    uint32_t truncated, running, unknown; /* rows of pseudo frames, MODEL_NONE until wanted */
};

static enum status pseudo(struct model *m, const char *name, uint32_t *row)
{
    return *row == MODEL_NONE ? locate_pseudo(m, name, row) : STATUS_OK;
}

static bool runs(const struct thread_view *v)
{
    return v->state == 'R';
}

static enum status stack_of(struct locator *l, const struct thread_view *v, struct frames *f, uint32_t stack[2],
                            size_t *depth)
{
    enum status status;
    *depth = 1;
    if (v->pc) {
        status = locator_stack(l, &v->pc, 1, &stack[0]);
        if (!status)
            status = pseudo(l->out, TRUNCATED_FRAME, &f->truncated);
        stack[(*depth)++] = f->truncated;
    } else {
        uint32_t *row = runs(v) ? &f->running : &f->unknown;
        status = pseudo(l->out, runs(v) ? "<running>" : "<unknown>", row);
        stack[0] = *row;
    }
    return status;
}

static enum status add_thread(struct locator *l, const struct thread_view *v, struct frames *f)
{
    const int64_t one = 1;
    uint32_t stack[2];
    size_t depth, n_labels;
    struct model_label labels[LABELROWS_MAX];
    enum status status = labelrows_make(l->out, v->labels, v->name, labels, &n_labels);
    if (!status)
        status = stack_of(l, v, f, stack, &depth);
    return status ? status : model_add_sample(l->out, stack, depth, &one, labels, n_labels);
}

enum status threads_profile_fill(struct locator *locator, struct reason *why)
{
    struct frames f = {MODEL_NONE, MODEL_NONE, MODEL_NONE};
    struct thread_views views;
    enum status status = threads_view(&views, why);
    if (status)
        return status;
    for (size_t i = 0; i < views.n && !status; i++)
        status = add_thread(locator, &views.at[i], &f);
    threads_fini(&views);
    return status;
}

/* Go's words where they fit, so that what reads its dumps understands ours. */
const char *threads_profile_state(const struct thread_view *v)
{
    if (runs(v))
        return "running";
    switch (v->call) {
    case THREAD_CALL_NONE:
    case THREAD_CALL_UNKNOWN: return "waiting";
    case SYS_futex: return "semacquire";
    case SYS_nanosleep:
    case SYS_clock_nanosleep: return "sleep";
#ifdef SYS_poll
    case SYS_poll:
    case SYS_select:
    case SYS_epoll_wait:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_connect:
    case SYS_accept:
    case SYS_accept4: return "IO wait";
    default: return "syscall";
    }
}

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (; *text; text++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./_", *text))
            return true;
    return false;
}

static void put_word(struct buf *out, const char *text)
{
    if (needs_quotes(text))
        text_quote(out, text, strlen(text));
    else
        buf_puts(out, text);
}

static void put_head(const struct thread_view *v, struct buf *out)
{
    struct label labels[LABELROWS_MAX];
    size_t n = labelrows_list(v->labels, v->name, labels);
    buf_printf(out, "goroutine %" PRIu32 " [%s] {", v->tid, threads_profile_state(v));
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? ", " : "");
        put_word(out, labels[i].key);
        buf_puts(out, ": ");
        put_word(out, labels[i].value);
    }
    buf_puts(out, "}:\n");
}

static void put_frames(const struct thread_view *v, const struct namer *namer, struct buf *out)
{
    struct named_frame frames[NAMER_MAX_INLINE];
    size_t n = namer->frames(namer->self, v->pc, frames);
    uint64_t entry = namer->entry(namer->self, v->pc);
    if (!n)
        buf_printf(out, "0x%" PRIx64 "\n\t?:0\n", v->pc);
    for (size_t i = 0; i < n; i++) {
        const char *file = *frames[i].file ? frames[i].file : "?";
        bool inlined = i + 1 < n;
        buf_printf(out, "%s(%s)\n\t%s:%" PRId64, frames[i].name, inlined ? "..." : "", file, frames[i].line);
        if (!inlined)
            buf_printf(out, " +0x%" PRIx64, entry ? v->pc - entry : 0);
        buf_puts(out, "\n");
    }
    buf_puts(out, "...additional frames elided...\n");
}

enum status threads_profile_dump(const struct namer *namer, struct buf *out, struct reason *why)
{
    struct thread_views views;
    size_t start = out->len;
    enum status status = threads_view(&views, why);
    for (size_t i = 0; !status && i < views.n && out->len - start < DUMP_MAX_BYTES; i++) {
        if (i)
            buf_puts(out, "\n");
        put_head(&views.at[i], out);
        if (views.at[i].pc)
            put_frames(&views.at[i], namer, out);
        else
            buf_puts(out, "\tgoroutine running on other thread; stack unavailable\n");
    }
    if (!status)
        threads_fini(&views);
    return status;
}
