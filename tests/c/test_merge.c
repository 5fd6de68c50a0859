#include "profile/merge.h"

#include "check.h"

#include <math.h>
#include <pthread.h>

/* A profile of one mapping at `base` with a function per letter of each stack, leaf first. */
static void begin(struct model *m, const char *type)
{
    CHECK_INT(model_init(m), STATUS_OK);
    model_add_type(m, type, "count");
    model_add_type(m, "cpu", "nanoseconds");
    model_set_period(m, "cpu", "nanoseconds", 1000);
}

static uint32_t mapping_at(struct model *m, uint64_t base)
{
    struct model_mapping mapping = {.start = base, .limit = base + 0x3000, .offset = 0x1000};
    uint32_t index = 0;
    strtab_intern(&m->strings, "/bin/app", &mapping.filename);
    strtab_intern(&m->strings, "0123abcd", &mapping.build_id);
    CHECK_INT(model_add_mapping(m, &mapping, &index), STATUS_OK);
    return index;
}

static void add(struct model *m, uint64_t base, const char *letters, int64_t count, int64_t time)
{
    uint32_t stack[16], mapping = mapping_at(m, base);
    size_t depth = strlen(letters);
    for (size_t i = 0; i < depth; i++) {
        char name[2] = {letters[i], '\0'};
        struct model_function function = {.start_line = 1};
        strtab_intern(&m->strings, name, &function.name);
        struct model_line line = {.line = letters[i]};
        model_add_function(m, &function, &line.function);
        struct model_location location = {
            .mapping = mapping, .address = base + (uint64_t)letters[i], .lines = &line, .n_lines = 1};
        CHECK_INT(model_add_location(m, &location, &stack[i]), STATUS_OK);
    }
    int64_t values[] = {count, time};
    CHECK_INT(model_add_sample(m, stack, depth, values, NULL, 0), STATUS_OK);
}

/* The first value of the row whose frames are these letters; -999 when there is none. */
static int64_t value_of(const struct model *m, const char *letters)
{
    for (size_t row = 0; row < m->n_samples; row++) {
        char have[17] = "";
        size_t n = 0;
        for (size_t i = m->stack_start.at[row]; i < m->stack_start.at[row + 1] && n < 16; i++) {
            size_t line = m->line_start.at[m->stack.at[i]];
            have[n++] = strtab_at(&m->strings, m->function_name.at[m->line_function.at[line]])[0];
        }
        if (strcmp(have, letters) == 0)
            return m->values.at[row * m->n_types];
    }
    return -999;
}

static void test_sum(void)
{
    struct model a, b, sum;
    begin(&a, "samples");
    begin(&b, "samples");
    add(&a, 0x10000, "xm", 1, 10);
    add(&a, 0x10000, "ym", 2, 20);
    add(&b, 0x10000, "ym", 3, 30);
    add(&b, 0x10000, "zm", 4, 40);
    a.time_nanos = 500;
    b.time_nanos = 400;
    a.duration_nanos = 7;
    b.duration_nanos = 8;
    b.period = 2000;
    model_add_comment(&a, "one");
    model_add_comment(&b, "two");
    model_add_comment(&b, "one");
    strtab_intern(&b.strings, "cpu", &b.default_sample_type);
    struct reason why = {""};
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, (double[]){1, 1}, 2, &sum, &why), STATUS_OK);
    CHECK_INT(sum.n_samples, 3);
    CHECK_INT(value_of(&sum, "xm"), 1);
    CHECK_INT(value_of(&sum, "ym"), 5);
    CHECK_INT(value_of(&sum, "zm"), 4);
    CHECK_INT(sum.n_mappings, 1);
    CHECK_INT(sum.n_functions, 4);
    CHECK_INT(sum.time_nanos, 400);
    CHECK_INT(sum.duration_nanos, 15);
    CHECK_INT(sum.period, 2000);
    CHECK_INT(sum.comments.n, 2);
    CHECK_STR(strtab_at(&sum.strings, sum.comments.at[1]), "two");
    CHECK_STR(strtab_at(&sum.strings, sum.default_sample_type), "cpu");
    CHECK_STR(strtab_at(&sum.strings, sum.types[0].type), "samples");
    model_fini(&sum);
    model_fini(&a);
    model_fini(&b);
}

/* Two runs of one program at different addresses: what is equal cancels out, and leaves nothing behind. */
static void test_diff_over_address_randomization(void)
{
    struct model a, b, diff;
    begin(&a, "samples");
    begin(&b, "samples");
    add(&a, 0x7f0000000000, "xm", 5, 50);
    add(&a, 0x7f0000000000, "ym", 2, 20);
    add(&b, 0x55550000, "xm", 5, 50);
    add(&b, 0x55550000, "ym", 9, 20);
    a.duration_nanos = 10;
    b.duration_nanos = 30;
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, (double[]){1, -1}, 2, &diff, NULL), STATUS_OK);
    CHECK_INT(diff.n_samples, 1);
    CHECK_INT(value_of(&diff, "ym"), -7);
    CHECK_INT(diff.n_mappings, 1);
    CHECK_INT(diff.n_locations, 2);
    CHECK_INT(diff.n_functions, 2);
    CHECK_INT(diff.duration_nanos, 40);
    CHECK(diff.location_address.at[0] == 0x7f0000000000 + 'y');
    model_fini(&diff);
    model_fini(&a);
    model_fini(&b);
}

static void test_all_gone(void)
{
    struct model a, diff;
    begin(&a, "samples");
    add(&a, 0x10000, "xm", 5, 50);
    CHECK_INT(merge_models((const struct model *[]){&a, &a}, (double[]){1, -1}, 2, &diff, NULL), STATUS_OK);
    CHECK_INT(diff.n_samples, 0);
    CHECK_INT(diff.n_types, 2);
    CHECK_INT(diff.n_mappings, 1); /* the main binary stays */
    CHECK_INT(diff.n_locations, 0);
    model_fini(&diff);
    model_fini(&a);
}

static int64_t scaled_value(int64_t value, double scale)
{
    struct model a, out;
    begin(&a, "samples");
    add(&a, 0x10000, "xm", value, 1000000);
    CHECK_INT(merge_models((const struct model *[]){&a}, &scale, 1, &out, NULL), STATUS_OK);
    int64_t result = value_of(&out, "xm");
    model_fini(&out);
    model_fini(&a);
    return result;
}

static void test_scales(void)
{
    CHECK_INT(scaled_value(5, 0.5), 3);
    CHECK_INT(scaled_value(-5, 0.5), -3);
    CHECK_INT(scaled_value(5, 0.49), 2);
    CHECK_INT(scaled_value(1, 0.49999999999999994), 0);
    CHECK_INT(scaled_value(3, -1), -3);
    CHECK(scaled_value(INT64_MAX, 1) == INT64_MAX);
    CHECK(scaled_value(INT64_MAX - 1, -1) == -(INT64_MAX - 1));
    CHECK(scaled_value(INT64_MIN, -1) == INT64_MAX);
    CHECK(scaled_value(INT64_MAX, 2) == INT64_MAX);
    CHECK(scaled_value(INT64_MAX, -2) == INT64_MIN);
    CHECK(scaled_value((1LL << 53) + 1, 1) == (1LL << 53) + 1);
}

static void test_saturation(void)
{
    struct model a, sum;
    begin(&a, "samples");
    add(&a, 0x10000, "xm", INT64_MAX, 1);
    a.duration_nanos = INT64_MAX;
    CHECK_INT(merge_models((const struct model *[]){&a, &a}, (double[]){1, 1}, 2, &sum, NULL), STATUS_OK);
    CHECK(value_of(&sum, "xm") == INT64_MAX);
    CHECK(sum.duration_nanos == INT64_MAX);
    model_fini(&sum);
    model_fini(&a);
}

static void test_refusals(void)
{
    struct model a, b, out;
    struct reason why = {""};
    begin(&a, "samples");
    begin(&b, "objects");
    double ones[] = {1, 1}, bad[] = {1, NAN};
    CHECK_INT(merge_models(NULL, NULL, 0, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "no profiles to merge");
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, ones, 2, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "profile 2 has sample type objects/count where the first has samples/count");
    CHECK_INT(merge_models((const struct model *[]){&a, &a}, bad, 2, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "the scale of profile 2 is not a finite number");
    model_add_type(&b, "more", "count");
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, ones, 2, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "profile 2 has 3 sample types, the first has 2");
    model_fini(&b);
    begin(&b, "samples");
    model_set_period(&b, "space", "bytes", 1);
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, ones, 2, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "profile 2 has period type space/bytes where the first has cpu/nanoseconds");
    model_fini(&a);
    model_fini(&b);
}

static void test_labels_move(void)
{
    struct model a, b, sum;
    begin(&a, "samples");
    begin(&b, "samples");
    struct model_label label = {.num = 0}, number = {.str = MODEL_NONE, .num = 5};
    uint32_t unused;
    int64_t values[] = {1, 1};
    strtab_intern(&a.strings, "key", &label.key);
    strtab_intern(&a.strings, "text", &label.str);
    model_add_sample(&a, NULL, 0, values, &label, 1);
    strtab_intern(&b.strings, "padding", &unused);
    strtab_intern(&b.strings, "text", &label.str);
    strtab_intern(&b.strings, "key", &label.key);
    strtab_intern(&b.strings, "size", &number.key);
    strtab_intern(&b.strings, "bytes", &number.unit);
    model_add_sample(&b, NULL, 0, values, &label, 1);
    model_add_sample(&b, NULL, 0, values, &number, 1);
    CHECK_INT(merge_models((const struct model *[]){&a, &b}, (double[]){1, 1}, 2, &sum, NULL), STATUS_OK);
    CHECK_INT(sum.n_samples, 2);
    CHECK_INT(sum.values.at[0], 2);
    CHECK_STR(strtab_at(&sum.strings, sum.label_str.at[0]), "text");
    CHECK(sum.label_str.at[1] == MODEL_NONE);
    CHECK_STR(strtab_at(&sum.strings, sum.label_unit.at[1]), "bytes");
    model_fini(&sum);
    model_fini(&a);
    model_fini(&b);
}

static void *merge_often(void *model)
{
    const struct model *inputs[] = {model, model};
    intptr_t failures = 0;
    for (int i = 0; i < 200; i++) {
        struct model sum;
        failures += merge_models(inputs, (double[]){1, 2}, 2, &sum, NULL) != STATUS_OK || value_of(&sum, "xm") != 15;
        model_fini(&sum);
    }
    return (void *)failures;
}

/* A model that nobody changes may be merged by several threads at once. */
static void test_threads(void)
{
    struct model a;
    pthread_t threads[4];
    begin(&a, "samples");
    add(&a, 0x10000, "xm", 5, 50);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, merge_often, &a), 0);
    for (int i = 0; i < 4; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        CHECK(failures == NULL);
    }
    model_fini(&a);
}

int main(void)
{
    test_sum();
    test_diff_over_address_randomization();
    test_all_gone();
    test_scales();
    test_saturation();
    test_refusals();
    test_labels_move();
    test_threads();
    return check_done();
}
