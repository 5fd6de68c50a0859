/* Go's execution trace: its numbers and batches by a reader of our own, and every change of a thread's state between
 * two looks. With an argument the trace of those changes is written there, for Go's own reader. */
#include "check.h"
#include "encode/gotrace.h"
#include "encode/threads_trace.h"
#include "http/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct reader {
    const unsigned char *at, *end;
    bool broken;
};

static uint64_t number(struct reader *r)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (r->at == r->end)
            break;
        value |= (uint64_t)(*r->at & 0x7f) << shift;
        if (!(*r->at++ & 0x80))
            return value;
    }
    r->broken = true;
    return 0;
}

struct batch {
    uint64_t thread, ns;
    struct reader data;
};

static bool next_batch(struct reader *r, struct batch *b)
{
    if (r->at == r->end || r->broken)
        return false;
    CHECK_INT(number(r), 1);
    CHECK_INT(number(r), 1); /* the generation */
    b->thread = number(r);
    b->ns = number(r);
    uint64_t n = number(r);
    CHECK(n > 0 && n <= GOTRACE_BATCH_MAX && n <= (uint64_t)(r->end - r->at));
    b->data = (struct reader){r->at, r->at + n, false};
    r->at += n;
    return true;
}

static struct reader read_head(const struct buf *b)
{
    CHECK(b->len >= 16 && memcmp(b->data, "go 1.23 trace\0\0\0", 16) == 0);
    return (struct reader){(const unsigned char *)b->data + 16, (const unsigned char *)b->data + b->len, false};
}

static void numbers_are_leb128(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    struct gotrace t;
    struct buf out = {0};
    struct batch b;
    gotrace_start(&t, 5, &out);
    gotrace_thread(&t, UINT64_MAX - 1);
    gotrace_put(&t, 1000, GOTRACE_GO_BLOCK, values, sizeof values / sizeof *values);
    gotrace_put(&t, 1300, GOTRACE_PROC_STOP, NULL, 0);
    gotrace_put(&t, 1200, GOTRACE_PROC_STOP, NULL, 0); /* never back in time */
    gotrace_end(&t);
    struct reader r = read_head(&out);
    CHECK(next_batch(&r, &b));
    CHECK(b.thread == UINT64_MAX - 1 && b.ns == 1000);
    CHECK_INT(number(&b.data), GOTRACE_GO_BLOCK);
    CHECK_INT(number(&b.data), 0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        CHECK(number(&b.data) == values[i]);
    CHECK_INT(number(&b.data), GOTRACE_PROC_STOP);
    CHECK_INT(number(&b.data), 300);
    CHECK_INT(number(&b.data), GOTRACE_PROC_STOP);
    CHECK_INT(number(&b.data), 0);
    CHECK(b.data.at == b.data.end && !b.data.broken);
    CHECK(next_batch(&r, &b) && b.thread == GOTRACE_NO_THREAD); /* the clock */
    CHECK_INT(number(&b.data), 8);
    CHECK_INT(number(&b.data), 1000000000);
    CHECK(!next_batch(&r, &b) && !r.broken);
    buf_fini(&out);
}

/* The reader takes no batch above 64 KiB, and no string above 1 KiB. */
static void large_tables_are_several_batches(void)
{
    enum { MANY = 20000 };
    static char text[3000];
    struct gotrace t;
    struct buf out = {0};
    struct batch b;
    uint64_t events = 0, strings = 0, stacks = 0, batches = 0;
    memset(text, 'x', sizeof text - 1);
    gotrace_start(&t, 0, &out);
    gotrace_thread(&t, 7);
    CHECK_INT(gotrace_string(&t, ""), 0);
    for (uint64_t i = 1; i <= MANY; i++) {
        struct gotrace_frame frames[200] = {{.pc = i}};
        CHECK_INT(gotrace_string(&t, i % 1000 ? "short" : text), i);
        CHECK_INT(gotrace_stack(&t, frames, i % 1000 ? 1 : 200), i);
        GOTRACE_PUT(&t, i, GOTRACE_GO_BLOCK, i, i);
    }
    gotrace_end(&t);
    struct reader r = read_head(&out);
    while (next_batch(&r, &b)) {
        batches++;
        uint64_t kind = b.thread == GOTRACE_NO_THREAD ? number(&b.data) : 0;
        while (b.data.at < b.data.end && !b.data.broken && kind != 8) {
            uint64_t type = number(&b.data), id = number(&b.data);
            if (kind == 4) {
                uint64_t n = number(&b.data);
                CHECK(type == 5 && id == ++strings && n <= 1024);
                b.data.at += n;
            } else if (kind == 2) {
                uint64_t n = number(&b.data);
                CHECK(type == 3 && id == ++stacks && n <= 128);
                for (uint64_t i = 0; i < 4 * n; i++)
                    number(&b.data);
            } else {
                CHECK_INT(type, GOTRACE_GO_BLOCK);
                CHECK_INT(number(&b.data), ++events);
                number(&b.data);
            }
        }
        b.data.at = kind == 8 ? b.data.end : b.data.at;
        CHECK(b.data.at == b.data.end && !b.data.broken);
    }
    CHECK(!r.broken && batches > 6);
    CHECK(events == MANY && strings == MANY && stacks == MANY);
    buf_fini(&out);
}

/* Running, waiting, in a system call, and not there: each before with each after. */
static const struct thread_view states[] = {
    {.state = 'R', .call = THREAD_CALL_NONE},
    {.state = 'S', .call = SYS_futex},
    {.state = 'D', .call = SYS_fsync},
};

#define N_STATES (sizeof states / sizeof *states)

static struct buf trace_of_all_changes(void)
{
    struct thread_view before[16], after[16];
    struct threads_look first = {.views.at = before, .ns = 1000000}, second = {.views.at = after, .ns = 2000000};
    uint32_t tid = (uint32_t)getpid();
    struct buf out = {0};
    struct reason why = {0};
    for (size_t from = 0; from <= N_STATES; from++) {
        for (size_t to = 0; to <= N_STATES; to++, tid++) {
            struct thread_view v = {.tid = tid};
            if (from < N_STATES) {
                v = states[from];
                v.tid = tid;
                snprintf(v.name, sizeof v.name, "from %zu to %zu", from, to);
                before[first.views.n++] = v;
            }
            if (to < N_STATES) {
                v = states[to];
                v.tid = tid;
                v.pc = to == 1 ? (uint64_t)(uintptr_t)&trace_of_all_changes : 0;
                snprintf(v.name, sizeof v.name, "from %zu to %zu", from, to);
                after[second.views.n++] = v;
            }
        }
    }
    CHECK_INT(threads_trace_write(&first, &second, NAMING_WITH, &out, &why), STATUS_OK);
    return out;
}

static void every_change_is_written(const char *path)
{
    struct buf out = trace_of_all_changes();
    struct reader r = read_head(&out);
    struct batch b;
    size_t threads = 0;
    while (next_batch(&r, &b))
        threads += b.thread != GOTRACE_NO_THREAD;
    CHECK_INT(threads, (N_STATES + 1) * (N_STATES + 1) - 1); /* one was never there */
    FILE *f = path ? fopen(path, "wb") : NULL;
    if (f) {
        CHECK_INT(fwrite(out.data, 1, out.len, f), out.len);
        CHECK_INT(fclose(f), 0);
    }
    buf_fini(&out);
}

static void the_threads_are_seen(void)
{
    struct threads_look first, second;
    struct reason why = {0};
    struct buf out = {0};
    CHECK_INT(threads_look(&first, &why), STATUS_OK);
    CHECK_INT(threads_look(&second, &why), STATUS_OK);
    CHECK(second.ns >= first.ns && first.views.n == 1);
    CHECK_INT(threads_trace_write(&first, &second, NAMING_WITH, &out, &why), STATUS_OK);
    CHECK(memmem(out.data, out.len, "test_gotrace", 12));
    threads_look_fini(&first);
    threads_look_fini(&second);
    buf_fini(&out);
}

static void seconds_are_read_as_in_go(void)
{
    static const struct {
        const char *text;
        double want;
    } sound[] = {{"0.3", 0.3},       {"1e-1", 0.1}, {"0x1p-2", 0.25}, {"+2", 2},         {"-1.5", -1.5},
                 {"5.", 5},          {".5", 0.5},   {"1E2", 100},     {"0X1.8P1", 3},    {"0x_1p0", 1},
                 {"1e-400", 0},      {"0e999", 0},  {"00012", 12},    {"inf", INFINITY}, {"+Infinity", INFINITY},
                 {"-INF", -INFINITY}};
    static const char *const broken[] = {"",   ".",  "e1",   "1e",     "0x1",   "0xp1",  "1_0",
                                         " 1", "1 ", "1,5",  "0x",     "1e999", "1p2",   "--1",
                                         "+",  "in", "infx", "nan(1)", "+nan",  "0x1_p0"};
    double got;
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        CHECK(numbers_parse_float(sound[i].text, strlen(sound[i].text), &got));
        CHECK(got == sound[i].want || fabs(got - sound[i].want) < 1e-9);
    }
    CHECK(numbers_parse_float("NaN", 3, &got) && isnan(got));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (numbers_parse_float(broken[i], strlen(broken[i]), &got))
            CHECK_STR(broken[i], "an error");
}

int main(int argc, char **argv)
{
    numbers_are_leb128();
    large_tables_are_several_batches();
    every_change_is_written(argc > 1 ? argv[1] : NULL);
    the_threads_are_seen();
    seconds_are_read_as_in_go();
    return check_done();
}
