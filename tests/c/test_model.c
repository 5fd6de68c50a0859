#include "profile/model.h"

#include "check.h"

static uint32_t add_location_at(struct model *m, uint64_t address)
{
    struct model_location location = {.mapping = MODEL_NONE, .address = address};
    uint32_t index = MODEL_NONE;
    CHECK_INT(model_add_location(m, &location, &index), STATUS_OK);
    return index;
}

static void test_empty(void)
{
    struct model m;
    CHECK_INT(model_init(&m), STATUS_OK);
    CHECK_INT(m.stack_start.n, 1);
    CHECK_INT(m.label_start.n, 1);
    CHECK_INT(m.line_start.n, 1);
    CHECK_INT(model_add_sample(&m, NULL, 0, NULL, NULL, 0), STATUS_INVALID);
    model_fini(&m);
    model_fini(&m);
}

static void test_types(void)
{
    struct model m;
    model_init(&m);
    for (int i = 0; i < MODEL_MAX_TYPES; i++)
        CHECK_INT(model_add_type(&m, "t", "count"), STATUS_OK);
    CHECK_INT(model_add_type(&m, "t", "count"), STATUS_TOO_BIG);
    CHECK_INT(m.n_types, MODEL_MAX_TYPES);
    model_fini(&m);

    model_init(&m);
    int64_t one = 1;
    model_add_type(&m, "cpu", "nanoseconds");
    CHECK_INT(model_set_period(&m, "cpu", "nanoseconds", 10000000), STATUS_OK);
    CHECK_STR(strtab_at(&m.strings, m.period_type.unit), "nanoseconds");
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, NULL, 0), STATUS_OK);
    CHECK_INT(model_add_type(&m, "late", "count"), STATUS_INVALID);
    model_fini(&m);
}

static void test_tables_are_interned(void)
{
    struct model m;
    uint32_t file, build, mapping, function, location, again;
    model_init(&m);
    strtab_intern(&m.strings, "/bin/app", &file);
    strtab_intern(&m.strings, "abcd", &build);

    struct model_mapping map = {.start = 0x1000, .limit = 0x2000, .filename = file, .build_id = build, .flags = 1};
    CHECK_INT(model_add_mapping(&m, &map, &mapping), STATUS_OK);
    CHECK_INT(model_add_mapping(&m, &map, &again), STATUS_OK);
    CHECK_INT(again, mapping);
    map.flags = 3;
    CHECK_INT(model_add_mapping(&m, &map, &again), STATUS_OK);
    CHECK_INT(again, 1);
    CHECK_INT(model_mapping_at(&m, 1).flags, 3);

    struct model_function fn = {.name = file, .system_name = file, .filename = file, .start_line = 7};
    CHECK_INT(model_add_function(&m, &fn, &function), STATUS_OK);
    CHECK_INT(model_add_function(&m, &fn, &again), STATUS_OK);
    CHECK_INT(again, function);
    fn.start_line = -7;
    CHECK_INT(model_add_function(&m, &fn, &again), STATUS_OK);
    CHECK_INT(again, 1);
    CHECK_INT(model_function_at(&m, 1).start_line, -7);

    struct model_line lines[] = {{.function = 1, .line = 10, .column = 2}, {.function = 0, .line = 20}};
    struct model_location loc = {.mapping = mapping, .address = 0x1234, .lines = lines, .n_lines = 2};
    CHECK_INT(model_add_location(&m, &loc, &location), STATUS_OK);
    CHECK_INT(model_add_location(&m, &loc, &again), STATUS_OK);
    CHECK_INT(again, location);
    lines[0].column = 3;
    CHECK_INT(model_add_location(&m, &loc, &again), STATUS_OK);
    CHECK_INT(again, 1);
    loc.is_folded = 1;
    CHECK_INT(model_add_location(&m, &loc, &again), STATUS_OK);
    CHECK_INT(again, 2);
    CHECK_INT(m.n_locations, 3);
    CHECK_INT(m.line_start.n, 4);
    CHECK_INT(m.line_start.at[3], 6);
    model_fini(&m);
}

static void test_indices_are_checked(void)
{
    struct model m;
    uint32_t index;
    model_init(&m);
    model_add_type(&m, "samples", "count");
    struct model_line line = {.function = 0};
    struct model_location loc = {.mapping = 0};
    CHECK_INT(model_add_location(&m, &loc, &index), STATUS_INVALID);
    loc = (struct model_location){.mapping = MODEL_NONE, .lines = &line, .n_lines = 1};
    CHECK_INT(model_add_location(&m, &loc, &index), STATUS_INVALID);
    int64_t one = 1;
    uint32_t stack[] = {0};
    CHECK_INT(model_add_sample(&m, stack, 1, &one, NULL, 0), STATUS_INVALID);
    CHECK_INT(m.n_locations + m.n_samples, 0);
    model_fini(&m);
}

static void test_samples_sum(void)
{
    struct model m;
    model_init(&m);
    model_add_type(&m, "samples", "count");
    model_add_type(&m, "cpu", "nanoseconds");
    uint32_t a = add_location_at(&m, 1), b = add_location_at(&m, 2);
    uint32_t ab[] = {a, b}, ba[] = {b, a};
    int64_t values[] = {1, 10};
    CHECK_INT(model_add_sample(&m, ab, 2, values, NULL, 0), STATUS_OK);
    CHECK_INT(model_add_sample(&m, ba, 2, values, NULL, 0), STATUS_OK);
    CHECK_INT(model_add_sample(&m, ab, 2, values, NULL, 0), STATUS_OK);
    CHECK_INT(model_add_sample(&m, ab, 1, values, NULL, 0), STATUS_OK);
    CHECK_INT(model_add_sample(&m, NULL, 0, values, NULL, 0), STATUS_OK);
    CHECK_INT(m.n_samples, 4);
    CHECK_INT(m.values.n, 8);
    CHECK_INT(m.values.at[0], 2);
    CHECK_INT(m.values.at[1], 20);
    CHECK_INT(m.stack_start.n, 5);
    CHECK_INT(m.stack_start.at[4], m.stack.n);
    CHECK_INT(m.label_start.n, 5);

    int64_t high[] = {INT64_MAX, INT64_MIN};
    CHECK_INT(model_add_sample(&m, ab, 2, high, NULL, 0), STATUS_OK);
    CHECK(m.values.at[0] == INT64_MAX);
    int64_t low[] = {1, INT64_MIN};
    CHECK_INT(model_add_sample(&m, ab, 2, low, NULL, 0), STATUS_OK);
    CHECK(m.values.at[0] == INT64_MAX && m.values.at[1] == INT64_MIN);
    model_fini(&m);
}

static void test_labels(void)
{
    struct model m;
    uint32_t key, other, text;
    model_init(&m);
    model_add_type(&m, "samples", "count");
    strtab_intern(&m.strings, "endpoint", &key);
    strtab_intern(&m.strings, "bytes", &other);
    strtab_intern(&m.strings, "/x", &text);
    struct model_label forth[] = {{.key = key, .str = text}, {.key = other, .str = MODEL_NONE, .num = 64}};
    struct model_label back[] = {forth[1], forth[0]};
    int64_t one = 1;
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, forth, 2), STATUS_OK);
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, back, 2), STATUS_OK);
    CHECK_INT(m.n_samples, 1);
    CHECK_INT(m.values.at[0], 2);
    forth[1].num = 65;
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, forth, 2), STATUS_OK);
    forth[1].unit = text;
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, forth, 2), STATUS_OK);
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, forth, 1), STATUS_OK);
    CHECK_INT(m.n_samples, 4);
    CHECK_INT(m.label_start.at[4], m.label_key.n);
    CHECK_INT(m.label_key.n, m.label_num.n);

    /* More labels than are sorted on the stack, from both ends. */
    struct model_label up[100], down[100];
    for (int i = 0; i < 100; i++)
        up[i] = down[99 - i] = (struct model_label){.key = key, .str = MODEL_NONE, .num = i};
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, up, 100), STATUS_OK);
    CHECK_INT(model_add_sample(&m, NULL, 0, &one, down, 100), STATUS_OK);
    CHECK_INT(m.n_samples, 5);
    CHECK_INT(down[0].num, 99);
    model_fini(&m);
}

static void test_many(void)
{
    enum { MANY = 100000 };
    struct model m;
    int64_t one = 1;
    uint32_t bad = 0;
    model_init(&m);
    model_add_type(&m, "samples", "count");
    for (uint64_t i = 0; i < MANY; i++)
        bad += add_location_at(&m, i * 4096) != i;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            uint32_t stack[] = {i, MANY - 1 - i, 7};
            bad += model_add_sample(&m, stack, 3, &one, NULL, 0) != STATUS_OK;
        }
    }
    for (uint32_t i = 0; i < MANY; i++)
        bad += m.values.at[i] != 2;
    CHECK_INT(bad, 0);
    CHECK_INT(m.n_samples, MANY);
    model_fini(&m);
}

int main(void)
{
    test_empty();
    test_types();
    test_tables_are_interned();
    test_indices_are_checked();
    test_samples_sum();
    test_labels();
    test_many();
    return check_done();
}
