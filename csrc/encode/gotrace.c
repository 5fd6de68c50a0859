#include "encode/gotrace.h"

#include <string.h>

#define GENERATION 1
#define STRING_MAX 1024
#define FRAMES_MAX 128

/* More than any one entry of a batch takes: a string, or a stack of FRAMES_MAX frames of four numbers. */
#define ENTRY_ROOM 6144

enum structure { BATCH = 1, STACKS = 2, STACK = 3, STRINGS = 4, STRING = 5, FREQUENCY = 8 };

static void number(struct buf *b, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    buf_put(b, bytes, n);
}

static void batch(struct gotrace *t, uint64_t thread, uint64_t ns, struct buf *data)
{
    if (data->len) {
        number(t->out, BATCH);
        number(t->out, GENERATION);
        number(t->out, thread);
        number(t->out, ns);
        number(t->out, data->len);
        buf_put(t->out, data->data, data->len);
    }
    t->out->failed = t->out->failed || data->failed;
    data->len = 0;
}

static void table_room(struct gotrace *t, struct buf *table, enum structure kind)
{
    if (table->len + ENTRY_ROOM > GOTRACE_BATCH_MAX)
        batch(t, GOTRACE_NO_THREAD, t->began_ns, table);
    if (!table->len)
        number(table, kind);
}

void gotrace_start(struct gotrace *t, uint64_t now_ns, struct buf *out)
{
    *t = (struct gotrace){.out = out, .began_ns = now_ns, .thread = GOTRACE_NO_THREAD};
    buf_put(out, "go 1.23 trace\0\0\0", 16);
}

uint64_t gotrace_string(struct gotrace *t, const char *text)
{
    size_t n = strnlen(text, STRING_MAX);
    if (!n)
        return 0;
    table_room(t, &t->strings, STRINGS);
    number(&t->strings, STRING);
    number(&t->strings, ++t->n_strings);
    number(&t->strings, n);
    buf_put(&t->strings, text, n);
    return t->n_strings;
}

uint64_t gotrace_stack(struct gotrace *t, const struct gotrace_frame *frames, size_t n)
{
    n = n < FRAMES_MAX ? n : FRAMES_MAX;
    table_room(t, &t->stacks, STACKS);
    number(&t->stacks, STACK);
    number(&t->stacks, ++t->n_stacks);
    number(&t->stacks, n);
    for (size_t i = 0; i < n; i++) {
        number(&t->stacks, frames[i].pc);
        number(&t->stacks, frames[i].function);
        number(&t->stacks, frames[i].file);
        number(&t->stacks, frames[i].line);
    }
    return t->n_stacks;
}

void gotrace_thread(struct gotrace *t, uint64_t thread)
{
    batch(t, t->thread, t->batch_ns, &t->events);
    t->thread = thread;
}

void gotrace_put(struct gotrace *t, uint64_t now_ns, enum gotrace_event type, const uint64_t *args, size_t n)
{
    if (t->events.len + ENTRY_ROOM > GOTRACE_BATCH_MAX)
        batch(t, t->thread, t->batch_ns, &t->events);
    if (!t->events.len)
        t->batch_ns = t->last_ns = now_ns;
    number(&t->events, type);
    number(&t->events, now_ns > t->last_ns ? now_ns - t->last_ns : 0);
    for (size_t i = 0; i < n; i++)
        number(&t->events, args[i]);
    t->last_ns = now_ns > t->last_ns ? now_ns : t->last_ns;
}

void gotrace_end(struct gotrace *t)
{
    struct buf sync = {0};
    gotrace_thread(t, GOTRACE_NO_THREAD);
    batch(t, GOTRACE_NO_THREAD, t->began_ns, &t->strings);
    batch(t, GOTRACE_NO_THREAD, t->began_ns, &t->stacks);
    number(&sync, FREQUENCY);
    number(&sync, 1000000000); /* our times are nanoseconds */
    batch(t, GOTRACE_NO_THREAD, t->began_ns, &sync);
    buf_fini(&sync);
    buf_fini(&t->events);
    buf_fini(&t->strings);
    buf_fini(&t->stacks);
}
