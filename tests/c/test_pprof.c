#include "encode/gzip.h"
#include "encode/pprof.h"

#include "check.h"

#include <stdlib.h>

/* ---- messages by hand, to say what no writer would ---- */

static void varint(struct buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_put(b, &(char){(char)(value | 0x80)}, 1);
    buf_put(b, &(char){(char)value}, 1);
}

static void number(struct buf *b, unsigned int field, uint64_t value)
{
    varint(b, field << 3);
    varint(b, value);
}

static void bytes(struct buf *b, unsigned int field, const void *data, size_t n)
{
    varint(b, field << 3 | 2);
    varint(b, n);
    buf_put(b, data, n);
}

/* A message whose fields are all numbers: pairs of field and value, up to a field 0. */
static void message(struct buf *b, unsigned int field, const uint64_t *pairs)
{
    struct buf inner = {0};
    for (; pairs[0]; pairs += 2)
        number(&inner, (unsigned int)pairs[0], pairs[1]);
    bytes(b, field, inner.data, inner.len);
    buf_fini(&inner);
}

#define MESSAGE(b, field, ...) message(b, field, (const uint64_t[]){__VA_ARGS__, 0})

enum { TYPE = 1, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING };

static void location_with_line(struct buf *b, uint64_t id, uint64_t function)
{
    struct buf inner = {0};
    number(&inner, 1, id);
    MESSAGE(&inner, 4, 1, function, 2, 24);
    bytes(b, LOCATION, inner.data, inner.len);
    buf_fini(&inner);
}

static void sample_with_label(struct buf *b, uint64_t key, uint64_t str, uint64_t num, uint64_t unit)
{
    struct buf inner = {0};
    number(&inner, 1, 7);
    number(&inner, 2, 5);
    MESSAGE(&inner, 3, 1, key, 2, str, 3, num, 4, unit);
    bytes(b, SAMPLE, inner.data, inner.len);
    buf_fini(&inner);
}

/* One sample type, one stack of one symbolized location with a sparse id; strings 0..4. */
static void small(struct buf *b)
{
    MESSAGE(b, TYPE, 1, 1, 2, 2);
    MESSAGE(b, SAMPLE, 1, 7, 2, 5);
    MESSAGE(b, MAPPING, 1, 900, 2, 0x1000, 3, 0x2000, 5, 4, 7, 1);
    location_with_line(b, 7, 0xfffffffffffffff0u);
    MESSAGE(b, FUNCTION, 1, 0xfffffffffffffff0u, 2, 3, 3, 3, 4, 4, 5, 20);
    const char *strings[] = {"", "samples", "count", "main.work", "/srv/app/main.go"};
    for (size_t i = 0; i < 5; i++)
        bytes(b, STRING, strings[i], strlen(strings[i]));
    number(b, 9, 1700000000000000000u);
}

static enum status read_buf(const struct buf *b, struct reason *why)
{
    struct model m;
    *why = (struct reason){""};
    enum status status = pprof_read(b->data, b->len, &m, why);
    if (status == STATUS_OK)
        model_fini(&m);
    return status;
}

static void expect(struct buf *b, enum status status, const char *sentence)
{
    struct reason why;
    CHECK_INT(read_buf(b, &why), status);
    CHECK_STR(why.text, sentence);
    buf_fini(b);
}

static void expect_text(const char *text, size_t n, const char *sentence)
{
    struct buf b = {0}, packed = {0};
    buf_put(&b, text, n);
    gzip_deflate(text, n, 1, &packed);
    expect(&b, STATUS_MALFORMED, sentence);
    expect(&packed, STATUS_MALFORMED, sentence);
}

/* ---- tests ---- */

static void test_small(void)
{
    struct buf b = {0};
    struct model m;
    struct reason why = {""};
    small(&b);
    CHECK_INT(pprof_read(b.data, b.len, &m, &why), STATUS_OK);
    CHECK_STR(why.text, "");
    CHECK_INT(m.n_samples, 1);
    CHECK_INT(m.values.at[0], 5);
    CHECK_STR(strtab_at(&m.strings, m.types[0].type), "samples");
    CHECK_STR(strtab_at(&m.strings, m.function_name.at[m.line_function.at[0]]), "main.work");
    CHECK_INT(m.line_number.at[0], 24);
    CHECK_INT(m.mapping_flags.at[0], MODEL_HAS_FUNCTIONS);
    CHECK(m.time_nanos == 1700000000000000000);
    model_fini(&m);
    buf_fini(&b);
}

/* Fields in any order, unpacked or packed lists, unknown fields, equal rows under several ids. */
static void test_wire_liberties(void)
{
    struct buf b = {0}, packed = {0}, inner = {0};
    struct model m;
    bytes(&b, STRING, "", 0);
    MESSAGE(&b, SAMPLE, 2, 1, 1, 3, 1, 4, 2, 2);
    varint(&packed, 4);
    varint(&packed, 3);
    bytes(&inner, 1, packed.data, packed.len);
    bytes(&inner, 2, "\x0a\x14", 2);
    bytes(&b, SAMPLE, inner.data, inner.len);
    MESSAGE(&b, LOCATION, 1, 3);
    MESSAGE(&b, LOCATION, 1, 4);
    number(&b, 77, 12345);
    bytes(&b, 78, "later", 5);
    buf_put(&b, "\375\0041234\371\00412345678", 16);
    MESSAGE(&b, TYPE, 1, 1);
    MESSAGE(&b, TYPE, 1, 1, 2, 1);
    bytes(&b, STRING, "a\0b", 3);
    CHECK_INT(pprof_read(b.data, b.len, &m, NULL), STATUS_OK);
    CHECK_INT(m.n_types, 2);
    CHECK_INT(m.n_locations, 1);
    CHECK_INT(m.n_samples, 1);
    CHECK_INT(m.values.at[0], 11);
    CHECK_INT(m.values.at[1], 22);
    CHECK_INT(strtab_len(&m.strings, m.types[0].type), 3);
    model_fini(&m);
    buf_fini(&b);
    buf_fini(&packed);
    buf_fini(&inner);
}

static void test_idle(void)
{
    struct buf b = {0}, out = {0};
    struct model m;
    MESSAGE(&b, TYPE, 1, 1, 2, 2);
    bytes(&b, STRING, "", 0);
    bytes(&b, STRING, "cpu", 3);
    bytes(&b, STRING, "nanoseconds", 11);
    CHECK_INT(pprof_read(b.data, b.len, &m, NULL), STATUS_OK);
    CHECK_INT(m.n_samples, 0);
    CHECK_INT(pprof_write(&m, &out, NULL), STATUS_OK);
    model_fini(&m);
    CHECK_INT(pprof_read(out.data, out.len, &m, NULL), STATUS_OK);
    CHECK_INT(m.n_types, 1);
    model_fini(&m);
    buf_fini(&b);
    buf_fini(&out);
}

#define REFUSED(sentence, ...)                                                                                         \
    do {                                                                                                               \
        struct buf b = {0};                                                                                            \
        small(&b);                                                                                                     \
        __VA_ARGS__;                                                                                                   \
        expect(&b, STATUS_MALFORMED, sentence);                                                                        \
    } while (0)

static void test_validity(void)
{
    REFUSED("sample 2 has 2 values for 1 sample types", MESSAGE(&b, SAMPLE, 1, 7, 2, 1, 2, 1));
    REFUSED("sample 2 has 0 values for 1 sample types", MESSAGE(&b, SAMPLE, 1, 7));
    REFUSED("sample 1 has 1 values for 2 sample types", MESSAGE(&b, TYPE, 1, 1));
    REFUSED("sample 2 refers to location 8, which does not exist", MESSAGE(&b, SAMPLE, 1, 8, 2, 1));
    REFUSED("sample 2 refers to location 0, which does not exist", MESSAGE(&b, SAMPLE, 1, 0, 2, 1));
    REFUSED("location 2 has id 0", MESSAGE(&b, LOCATION, 3, 1));
    REFUSED("location 2 has id 7, which is taken", MESSAGE(&b, LOCATION, 1, 7, 3, 1));
    REFUSED("location 2 refers to mapping 1, which does not exist", MESSAGE(&b, LOCATION, 1, 8, 2, 1));
    REFUSED("location 2 refers to function 1, which does not exist", location_with_line(&b, 8, 1));
    REFUSED("location 2 has a line without a function", location_with_line(&b, 8, 0));
    REFUSED("mapping 2 has id 0", MESSAGE(&b, MAPPING, 2, 1));
    REFUSED("mapping 2 has id 900, which is taken", MESSAGE(&b, MAPPING, 1, 900));
    REFUSED("mapping 2 refers to string 5 of 5", MESSAGE(&b, MAPPING, 1, 1, 5, 5));
    REFUSED("mapping 2 refers to string 6 of 5", MESSAGE(&b, MAPPING, 1, 1, 6, 6));
    REFUSED("function 2 has id 0", MESSAGE(&b, FUNCTION, 2, 1));
    REFUSED("function 2 has id 18446744073709551600, which is taken", MESSAGE(&b, FUNCTION, 1, 0xfffffffffffffff0u));
    REFUSED("function 2 refers to string -1 of 5", MESSAGE(&b, FUNCTION, 1, 1, 2, UINT64_MAX));
    REFUSED("sample type 2 refers to string 9 of 5", MESSAGE(&b, TYPE, 1, 9));
    REFUSED("period type refers to string 9 of 5", MESSAGE(&b, 11, 1, 9));
    REFUSED("comment 1 refers to string 9 of 5", number(&b, 13, 9));
    REFUSED("default_sample_type refers to string 9 of 5", number(&b, 14, 9));
    REFUSED("drop_frames refers to string 5 of 5", number(&b, 7, 5));
    REFUSED("keep_frames refers to string 5 of 5", number(&b, 8, 5));
    REFUSED("doc_url refers to string 5 of 5", number(&b, 15, 5));
    REFUSED("a label of sample 2 refers to string 5 of 5", sample_with_label(&b, 5, 1, 0, 0));
    REFUSED("a label of sample 2 refers to string 6 of 5", sample_with_label(&b, 1, 6, 0, 0));
    REFUSED("a label of sample 2 refers to string 7 of 5", sample_with_label(&b, 1, 0, 1, 7));
    REFUSED("2 profiles are concatenated; merge them instead", small(&b));
}

static void test_wire_damage(void)
{
    REFUSED("not a profile: field 2 has wire type 0", number(&b, SAMPLE, 1));
    REFUSED("not a profile: Sample 2 is not a valid protobuf message", bytes(&b, SAMPLE, "\x08", 1));
    REFUSED("not a profile: Sample 2 is not a valid protobuf message", bytes(&b, SAMPLE, "\x0a\x05\x01", 3));
    REFUSED("not a profile: Mapping 2 is not a valid protobuf message", bytes(&b, MAPPING, "\x0b", 1));
    REFUSED("not a profile: Location 2 is not a valid protobuf message", bytes(&b, LOCATION, "\x22\x01\x08", 3));
    REFUSED("not a profile: Function 2 is not a valid protobuf message", bytes(&b, FUNCTION, "\x12\x00", 2));
    REFUSED("not a profile: Profile is not a valid protobuf message", bytes(&b, 9, "x", 1));
    struct buf b = {0};
    buf_put(&b, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
    expect(&b, STATUS_MALFORMED, "not a profile: byte 0 starts no protobuf field");
    buf_put(&b, "\x00\x00", 2);
    expect(&b, STATUS_MALFORMED, "not a profile: byte 0 starts no protobuf field");
    buf_put(&b, "\x10\x01\x13", 3);
    expect(&b, STATUS_MALFORMED, "not a profile: field 2 has wire type 0");
    buf_put(&b, "\x48\x01\x13", 3);
    expect(&b, STATUS_MALFORMED, "not a profile: byte 2 has protobuf wire type 3");
    buf_put(&b, "\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    expect(&b, STATUS_MALFORMED, "truncated, or not a profile: the field at byte 0 is cut short");
}

static void test_string_table(void)
{
    struct buf b = {0};
    MESSAGE(&b, TYPE, 1, 0);
    expect(&b, STATUS_MALFORMED, "the profile has no string table");
    MESSAGE(&b, TYPE, 1, 0);
    bytes(&b, STRING, "x", 1);
    expect(&b, STATUS_MALFORMED, "the profile's first string is not empty");
    bytes(&b, STRING, "", 0);
    MESSAGE(&b, SAMPLE, 2, 1);
    expect(&b, STATUS_MALFORMED, "not a profile: it has no sample types");
    number(&b, 200, 1);
    expect(&b, STATUS_MALFORMED, "not a profile: it has no sample types");
    for (int i = 0; i <= MODEL_MAX_TYPES; i++)
        MESSAGE(&b, TYPE, 1, 0);
    bytes(&b, STRING, "", 0);
    expect(&b, STATUS_TOO_BIG, "the profile has 65 sample types, more than 64");
}

static void test_not_profiles(void)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"<!DOCTYPE html>\n<html><body>login</body></html>", "an HTML page, not a profile"},
        {"\r\n  <HTML lang=en>", "an HTML page, not a profile"},
        {"<?xml version=\"1.0\"?><a/>", "an XML document, not a profile"},
        {"{\"cmdline\": [\"/bin/app\"]}", "a JSON document, not a profile"},
        {"[1, 2]", "a JSON document, not a profile"},
        {"goroutine profile: total 8\n1 @ 0x439a1f\n", "a legacy text profile; ask the server without debug=1"},
        {"heap profile: 2: 512 [2: 512] @ heap/8192\n", "a legacy text profile; ask the server without debug=1"},
        {"--- contention:\ncycles/second=1\n", "a legacy text profile; ask the server without debug=1"},
        {"--- mutex:\ncycles/second=1\n", "a legacy text profile; ask the server without debug=1"},
        {"goroutine 20 [running]:\nmain.f()\n", "a text listing of stacks; ask the server without debug=2"},
        {"Unknown profile\n", "plain text, not a profile: \"Unknown profile\""},
        {"404 page not found\n", "plain text, not a profile: \"404 page not found\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_text(cases[i].text, strlen(cases[i].text), cases[i].sentence);
    expect_text("\177ELF\2\1\1", 7, "an ELF file, not a profile");
    expect_text("PERFILE2........", 16, "a perf.data file, not a profile");
    expect_text("go 1.22 trace\0\0\0", 16, "a Go execution trace, not a profile");
    expect_text("\0\0\0\0\3\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0", 20,
                "a legacy binary CPU profile (gperftools), which is not read");
    struct buf b = {0};
    expect(&b, STATUS_MALFORMED, "empty input");
    gzip_deflate("", 0, 1, &b);
    expect(&b, STATUS_MALFORMED, "empty input, gzipped");
}

static void test_gzip(void)
{
    struct buf plain = {0}, packed = {0}, twice = {0}, b = {0};
    small(&plain);
    gzip_deflate(plain.data, plain.len, 9, &packed);
    gzip_deflate(packed.data, packed.len, 9, &twice);
    expect(&twice, STATUS_MALFORMED, "gzipped twice; gunzip it once");
    buf_put(&b, packed.data, packed.len);
    expect(&b, STATUS_OK, "");
    buf_put(&b, packed.data, packed.len);
    b.data[b.len - 6] ^= 0x40;
    expect(&b, STATUS_MALFORMED, "gzip checksum does not match: the data is damaged");
    for (size_t n = 2; n < packed.len; n++) {
        buf_put(&b, packed.data, n);
        expect(&b, STATUS_MALFORMED, "gzip stream is truncated");
    }
    buf_fini(&plain);
    buf_fini(&packed);
}

/* Cut at every byte, from a block of exactly that size so that ASan sees one byte too many. Only a cut behind
 * a whole field may still be a profile. */
static void test_truncation(void)
{
    struct buf b = {0};
    size_t whole = 0;
    small(&b);
    for (size_t n = 0; n <= b.len; n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, b.data, n);
        struct buf cut = {.data = exact, .len = n};
        struct reason why;
        enum status status = read_buf(&cut, &why);
        whole += status == STATUS_OK;
        CHECK(status == STATUS_OK || (status == STATUS_MALFORMED && why.text[0]));
        free(exact);
    }
    CHECK_INT(whole, 2); /* time_nanos is the last field */
    buf_fini(&b);
}

static void test_every_byte_flipped(void)
{
    struct buf b = {0};
    small(&b);
    for (size_t i = 0; i < b.len * 8; i++) {
        struct reason why;
        b.data[i / 8] ^= (char)(1 << i % 8);
        enum status status = read_buf(&b, &why);
        CHECK(status == STATUS_OK || ((status == STATUS_MALFORMED || status == STATUS_TOO_BIG) && why.text[0]));
        b.data[i / 8] ^= (char)(1 << i % 8);
    }
    buf_fini(&b);
}

static void test_values_saturate(void)
{
    struct buf b = {0};
    struct model m;
    small(&b);
    MESSAGE(&b, SAMPLE, 1, 7, 2, INT64_MAX);
    CHECK_INT(pprof_read(b.data, b.len, &m, NULL), STATUS_OK);
    CHECK_INT(m.n_samples, 1);
    CHECK(m.values.at[0] == INT64_MAX);
    model_fini(&m);
    buf_fini(&b);
}

/* A row that would take gigabytes unpacked ends at the arena's bound: 10 million empty lines. */
static void test_one_huge_row(void)
{
    struct buf b = {0}, inner = {0};
    small(&b);
    number(&inner, 1, 8);
    for (int i = 0; i < 10000000; i++)
        buf_put(&inner, "\x22\x00", 2);
    bytes(&b, LOCATION, inner.data, inner.len);
    buf_fini(&inner);
    expect(&b, STATUS_TOO_BIG, "Location 2 takes more than 268435456 bytes of memory");
}

static uint32_t text_id(struct model *m, const char *text)
{
    uint32_t id = 0;
    CHECK_INT(strtab_intern(&m->strings, text, &id), STATUS_OK);
    return id;
}

static void build_rich(struct model *m)
{
    model_init(m);
    model_add_type(m, "samples", "count");
    model_add_type(m, "cpu", "nanoseconds");
    model_set_period(m, "cpu", "nanoseconds", 10000000);
    m->time_nanos = 1700000000000000000;
    m->duration_nanos = -5;
    m->default_sample_type = text_id(m, "samples");
    m->drop_frames = text_id(m, "malloc");
    m->keep_frames = text_id(m, "free");
    m->doc_url = text_id(m, "https://example.org/");
    model_add_comment(m, "first");
    model_add_comment(m, "\xff not UTF-8");
    struct model_mapping maps[] = {
        {.start = 0x1000, .limit = 0x2000, .filename = text_id(m, "/bin/app"), .flags = 15},
        {.start = UINT64_MAX - 4096, .limit = UINT64_MAX, .offset = 1, .build_id = text_id(m, "cafe"), .flags = 0},
    };
    struct model_function fns[] = {{.name = text_id(m, "f"), .system_name = text_id(m, "_Zf"), .start_line = -1},
                                   {.name = text_id(m, "g"), .filename = text_id(m, "g.c"), .start_line = 9}};
    uint32_t index, stack[3];
    for (size_t i = 0; i < 2; i++) {
        model_add_mapping(m, &maps[i], &index);
        model_add_function(m, &fns[i], &index);
    }
    struct model_line lines[] = {{.function = 1, .line = 10, .column = 3}, {.function = 0, .line = -2}};
    struct model_location locations[] = {
        {.mapping = 0, .address = 0x1234, .lines = lines, .n_lines = 2, .is_folded = 1},
        {.mapping = 1, .address = UINT64_MAX},
        {.mapping = MODEL_NONE, .lines = lines, .n_lines = 1},
    };
    for (size_t i = 0; i < 3; i++)
        model_add_location(m, &locations[i], &stack[i]);
    struct model_label labels[] = {
        {.key = text_id(m, "endpoint"), .str = text_id(m, "/x")},
        {.key = text_id(m, "bytes"), .str = MODEL_NONE, .num = INT64_MIN, .unit = text_id(m, "bytes")},
        {.key = text_id(m, "zero"), .str = MODEL_NONE},
    };
    model_add_sample(m, stack, 3, (int64_t[]){1, INT64_MAX}, labels, 3);
    model_add_sample(m, stack + 1, 2, (int64_t[]){-1, INT64_MIN}, NULL, 0);
    model_add_sample(m, NULL, 0, (int64_t[]){0, 0}, labels + 1, 1);
}

#define SAME(field) CHECK(a->field == b->field)
#define SAME_COLUMN(field)                                                                                             \
    CHECK(a->field.n == b->field.n &&                                                                                  \
          (!a->field.n || memcmp(a->field.at, b->field.at, a->field.n * sizeof *a->field.at) == 0))

static void check_same(const struct model *a, const struct model *b)
{
    SAME(n_types);
    CHECK(memcmp(a->types, b->types, a->n_types * sizeof a->types[0]) == 0);
    SAME(period_type.type);
    SAME(period_type.unit);
    SAME(period);
    SAME(time_nanos);
    SAME(duration_nanos);
    SAME(default_sample_type);
    SAME(drop_frames);
    SAME(keep_frames);
    SAME(doc_url);
    SAME_COLUMN(comments);
    SAME_COLUMN(strings.offset);
    CHECK(memcmp(a->strings.bytes, b->strings.bytes, a->strings.bytes_len) == 0);
    SAME(n_samples);
    SAME_COLUMN(values);
    SAME_COLUMN(stack_start);
    SAME_COLUMN(stack);
    SAME_COLUMN(label_start);
    SAME_COLUMN(label_key);
    SAME_COLUMN(label_str);
    SAME_COLUMN(label_unit);
    SAME_COLUMN(label_num);
    SAME(n_locations);
    SAME_COLUMN(location_mapping);
    SAME_COLUMN(location_folded);
    SAME_COLUMN(location_address);
    SAME_COLUMN(line_start);
    SAME_COLUMN(line_function);
    SAME_COLUMN(line_number);
    SAME_COLUMN(line_column);
    SAME(n_functions);
    SAME_COLUMN(function_name);
    SAME_COLUMN(function_system_name);
    SAME_COLUMN(function_filename);
    SAME_COLUMN(function_start_line);
    SAME(n_mappings);
    SAME_COLUMN(mapping_start);
    SAME_COLUMN(mapping_limit);
    SAME_COLUMN(mapping_offset);
    SAME_COLUMN(mapping_filename);
    SAME_COLUMN(mapping_build_id);
    SAME_COLUMN(mapping_flags);
}

/* Written strings keep their order, so a second reading gives the same ids and the same columns. */
static void test_round_trip(void)
{
    struct model rich, back;
    struct buf out = {0}, again = {0};
    struct reason why = {""};
    build_rich(&rich);
    CHECK_INT(pprof_write(&rich, &out, &why), STATUS_OK);
    CHECK((unsigned char)out.data[0] == 0x1f && (unsigned char)out.data[1] == 0x8b);
    CHECK_INT(pprof_read(out.data, out.len, &back, &why), STATUS_OK);
    check_same(&rich, &back);
    CHECK_INT(pprof_write(&back, &again, &why), STATUS_OK);
    CHECK(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    model_fini(&rich);
    model_fini(&back);
    buf_fini(&out);
    buf_fini(&again);
}

static void test_write_refuses(void)
{
    struct model m;
    struct buf out = {0};
    struct reason why = {""};
    model_init(&m);
    CHECK_INT(pprof_write(&m, &out, &why), STATUS_INVALID);
    CHECK_STR(why.text, "a profile without sample types cannot be written");
    model_fini(&m);
    buf_fini(&out);
}

int main(void)
{
    test_small();
    test_wire_liberties();
    test_idle();
    test_validity();
    test_wire_damage();
    test_string_table();
    test_not_profiles();
    test_gzip();
    test_truncation();
    test_every_byte_flipped();
    test_values_saturate();
    test_one_huge_row();
    test_round_trip();
    test_write_refuses();
    return check_done();
}
