/*
 * Profiles as text, byte for byte as Go's runtime/pprof writes them: order, columns that tabs align, labels, inlined
 * frames, frames without names; and differences of two snapshots.
 */
#include "check.h"
#include "encode/named.h"
#include "encode/text.h"

#include <stdlib.h>

static uint32_t word(struct model *m, const char *text)
{
    uint32_t id = 0;
    CHECK_INT(strtab_intern(&m->strings, text, &id), STATUS_OK);
    return id;
}

static struct model_line line(struct model *m, const char *name, const char *file, int64_t number)
{
    struct model_function f = {word(m, name), word(m, name), word(m, file), 1};
    struct model_line l = {.line = number};
    CHECK_INT(model_add_function(m, &f, &l.function), STATUS_OK);
    return l;
}

static uint32_t place(struct model *m, uint64_t address, const struct model_line *lines, size_t n)
{
    struct model_location l = {.mapping = MODEL_NONE, .address = address, .lines = lines, .n_lines = n};
    uint32_t row = 0;
    CHECK_INT(model_add_location(m, &l, &row), STATUS_OK);
    return row;
}

static void start(struct model *m, const char *const *types, const char *unit)
{
    CHECK_INT(model_init(m), STATUS_OK);
    for (; *types; types++)
        CHECK_INT(model_add_type(m, *types, unit), STATUS_OK);
}

static uint64_t entry(void *self, uint64_t address)
{
    (void)self;
    return address & ~UINT64_C(0xfff);
}

static const struct namer namer = {.entry = entry};

static void same(struct buf *got, const char *want)
{
    buf_put(got, "", 1);
    CHECK_STR(got->failed ? "no memory" : got->data, want);
    buf_fini(got);
}

static const char *const one_type[] = {"goroutine", NULL};

static void counts_are_grouped_sorted_and_aligned(void)
{
    struct model m;
    struct buf out = {0};
    start(&m, one_type, "count");
    struct model_line inlined[] = {line(&m, "inner", "/src/a.c", 5),
                                   line(&m, "a_function_of_some_length", "/src/a.c", 9)};
    struct model_line plain = line(&m, "main", "/src/main.c", 50);
    struct model_line pseudo = line(&m, "<running>", "", 0);
    uint32_t deep[] = {place(&m, 0x401010, inlined, 2), place(&m, 0x402020, NULL, 0), place(&m, 0x40300f, &plain, 1)};
    uint32_t none = place(&m, 0, &pseudo, 1);
    struct model_label labels[] = {{.key = word(&m, "zone"), .str = word(&m, "a\"b\n\x01\xc3\xa9\xff")},
                                   {.key = word(&m, "bytes"), .str = MODEL_NONE, .num = 7},
                                   {.key = word(&m, "endpoint"), .str = word(&m, "/x")}};
    model_add_sample(&m, &none, 1, (int64_t[]){1}, NULL, 0);
    model_add_sample(&m, deep + 2, 1, (int64_t[]){1}, NULL, 0);
    model_add_sample(&m, deep, 3, (int64_t[]){3}, labels, 3);
    model_add_sample(&m, NULL, 0, (int64_t[]){2}, NULL, 0);
    text_counts("goroutine", &m, &namer, &out);
    same(&out, "goroutine profile: total 7\n"
               "3 @ 0x401011 0x402021 0x403010\n"
               "# labels: {\"endpoint\":\"/x\", \"zone\":\"a\\\"b\\n\\x01\xc3\xa9\\xff\"}\n"
               "#\t0x401010\tinner+0x10\t\t\t/src/a.c:5\n"
               "#\t0x401010\ta_function_of_some_length+0x10\t/src/a.c:9\n"
               "#\t0x402020\n"
               "#\t0x40300f\tmain+0xf\t/src/main.c:50\n"
               "\n"
               "2 @ 0x0\n#\t0x0\n\n"
               "1 @ 0x0\n#\t0x0\t<running>\n\n"
               "1 @ 0x403010\n#\t0x40300f\tmain+0xf\t/src/main.c:50\n\n");
    model_fini(&m);
}

static void an_empty_profile_has_its_head(void)
{
    static const char *const heap[] = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space", NULL};
    static const char *const waits[] = {"contentions", "delay", NULL};
    struct model m;
    struct buf out = {0};
    start(&m, one_type, "count");
    text_counts("x", &m, &namer, &out);
    same(&out, "x profile: total 0\n");
    model_fini(&m);
    start(&m, heap, "count");
    m.period = 524288;
    text_heap(&m, &namer, &out);
    same(&out, "heap profile: 0: 0 [0: 1] @ heap/1048576\n");
    model_fini(&m);
    start(&m, waits, "count");
    text_contention("contention", &m, 0, false, &namer, &out);
    text_contention("mutex", &m, 5, true, &namer, &out);
    same(&out, "--- contention:\ncycles/second=1000000000\n--- mutex:\ncycles/second=1000000000\nsampling period=5\n");
    model_fini(&m);
}

static void heap_is_in_rising_order_of_what_is_in_use(void)
{
    static const char *const types[] = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space", NULL};
    struct model m;
    struct buf out = {0};
    start(&m, types, "count");
    m.period = 4096;
    struct model_line f = line(&m, "f", "f.c", 3), g = line(&m, "g", "g.c", 4);
    uint32_t stacks[] = {place(&m, 0x1000, &f, 1), place(&m, 0x2000, &g, 1)};
    model_add_sample(&m, &stacks[0], 1, (int64_t[]){9, 900, 2, 512}, NULL, 0);
    model_add_sample(&m, &stacks[1], 1, (int64_t[]){1, 64, 1, 64}, NULL, 0);
    text_heap(&m, &namer, &out);
    same(&out, "heap profile: 3: 576 [10: 964] @ heap/8192\n"
               "1: 64 [1: 64] @ 0x2001\n#\t0x2000\tg+0x0\tg.c:4\n\n"
               "2: 512 [9: 900] @ 0x1001\n#\t0x1000\tf+0x0\tf.c:3\n\n");
    model_fini(&m);
}

static void contention_is_cycles_then_count(void)
{
    static const char *const types[] = {"contentions", "delay", NULL};
    struct model m;
    struct buf out = {0};
    start(&m, types, "count");
    struct model_line f = line(&m, "lock", "l.c", 3);
    uint32_t stack = place(&m, 0x1000, &f, 1), other = place(&m, 0x3000, &f, 1);
    model_add_sample(&m, &stack, 1, (int64_t[]){65, 100}, NULL, 0);
    model_add_sample(&m, &other, 1, (int64_t[]){1, 5000}, NULL, 0);
    text_contention("contention", &m, 0, false, &namer, &out);
    same(&out, "--- contention:\ncycles/second=1000000000\n"
               "5000 1 @ 0x3001\n#\t0x3000\tlock+0x0\tl.c:3\n\n"
               "100 65 @ 0x1001\n#\t0x1000\tlock+0x0\tl.c:3\n\n");
    model_fini(&m);
}

/* What is equal vanishes, what became less stays as a negative number, and who reads it sees the same default type. */
static void a_difference_keeps_what_changed(void)
{
    struct model a, b, d;
    struct reason why = {0};
    struct model *both[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        struct model *m = both[i];
        start(m, one_type, "count");
        model_set_period(m, "goroutine", "count", 1);
        m->default_sample_type = word(m, "goroutine");
        m->time_nanos = 1000 + i * 700;
        struct model_line l[] = {line(m, "same", "s.c", 1), line(m, "less", "s.c", 2), line(m, "more", "s.c", 3)};
        uint32_t rows[] = {place(m, 0x1000, &l[0], 1), place(m, 0x2000, &l[1], 1), place(m, 0x3000, &l[2], 1)};
        model_add_sample(m, &rows[0], 1, (int64_t[]){5}, NULL, 0);
        model_add_sample(m, &rows[1], 1, (int64_t[]){i ? 1 : 4}, NULL, 0);
        model_add_sample(m, &rows[2], 1, (int64_t[]){i ? 4 : 2}, NULL, 0);
    }
    CHECK_INT(named_delta(&a, &b, &d, &why), STATUS_OK);
    struct buf out = {0};
    text_counts("goroutine", &d, &namer, &out);
    same(&out, "goroutine profile: total -1\n"
               "2 @ 0x3001\n#\t0x3000\tmore+0x0\ts.c:3\n\n"
               "-3 @ 0x2001\n#\t0x2000\tless+0x0\ts.c:2\n\n");
    CHECK_INT(d.time_nanos, 1700);
    CHECK_INT(d.duration_nanos, 700);
    CHECK_STR(strtab_at(&d.strings, d.default_sample_type), "goroutine");
    model_fini(&a);
    model_fini(&b);
    model_fini(&d);
}

int main(void)
{
    counts_are_grouped_sorted_and_aligned();
    an_empty_profile_has_its_head();
    heap_is_in_rising_order_of_what_is_in_use();
    contention_is_cycles_then_count();
    a_difference_keeps_what_changed();
    return check_done();
}
