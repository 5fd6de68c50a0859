#include "encode/pprof.h"

#include "encode/gzip.h"
#include "encode/pprof_reader.h"
#include "encode/pprof_sniff.h"
#include "profile.pb-c.h"

/* Field numbers of message Profile. */
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING_TABLE = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DOC_URL = 15,
};

static void reader_fini(struct reader *r)
{
    arena_fini(&r->arena);
    buf_fini(&r->head);
    vec_u32_fini(&r->strings);
    pprof_ids_fini(&r->mappings);
    pprof_ids_fini(&r->functions);
    pprof_ids_fini(&r->locations);
    vec_u32_fini(&r->stack);
    vec_label_fini(&r->labels);
    vec_line_fini(&r->lines);
}

/* First walk: everything has its wire type, strings are interned, the head is gathered. */
static enum status survey_field(struct reader *r, const struct wire_field *field)
{
    bool row = field->number >= PROFILE_SAMPLE && field->number <= PROFILE_STRING_TABLE;
    if (row && field->type != WIRE_BYTES)
        return status_because(r->why, STATUS_MALFORMED, "not a profile: field %u has wire type %d", field->number,
                              (int)field->type);
    if (field->number == PROFILE_STRING_TABLE) {
        uint32_t id;
        enum status status = strtab_intern_bytes(&r->m->strings, (const char *)field->content, field->content_len, &id);
        if (status != STATUS_OK)
            return status;
        return vec_u32_push(&r->strings, id) ? STATUS_OK : STATUS_NOMEM;
    }
    if (!row && field->number <= PROFILE_DOC_URL) {
        r->times += field->number == PROFILE_TIME_NANOS;
        buf_put(&r->head, field->start, (size_t)(field->content + field->content_len - field->start));
    }
    return r->head.failed ? STATUS_NOMEM : STATUS_OK;
}

static enum status survey(struct reader *r)
{
    for (;;) {
        struct wire_field field;
        bool more;
        enum status status = wire_next(&r->wire, &field, &more, r->why);
        if (status == STATUS_OK && more)
            status = survey_field(r, &field);
        if (status != STATUS_OK || !more)
            return status;
    }
}

static enum status read_value_type(struct reader *r, const char *of, const Perftools__Profiles__ValueType *in,
                                   struct model_value_type *out)
{
    enum status status = reader_string(r, of, in->type, &out->type);
    return status == STATUS_OK ? reader_string(r, of, in->unit, &out->unit) : status;
}

static enum status read_types(struct reader *r, const Perftools__Profiles__Profile *head)
{
    if (head->n_sample_type > MODEL_MAX_TYPES)
        return status_because(r->why, STATUS_TOO_BIG, "the profile has %zu sample types, more than %d",
                              head->n_sample_type, MODEL_MAX_TYPES);
    for (size_t i = 0; i < head->n_sample_type; i++) {
        r->row = i + 1;
        enum status status = read_value_type(r, "sample type", head->sample_type[i], &r->m->types[i]);
        if (status != STATUS_OK)
            return status;
    }
    r->m->n_types = head->n_sample_type;
    r->row = 0;
    return head->period_type ? read_value_type(r, "period type", head->period_type, &r->m->period_type) : STATUS_OK;
}

static enum status read_comments(struct reader *r, const Perftools__Profiles__Profile *head)
{
    for (size_t i = 0; i < head->n_comment; i++) {
        uint32_t id = 0;
        r->row = i + 1;
        enum status status = reader_string(r, "comment", head->comment[i], &id);
        if (status != STATUS_OK)
            return status;
        if (!vec_u32_push(&r->m->comments, id))
            return STATUS_NOMEM;
    }
    return STATUS_OK;
}

static enum status read_texts(struct reader *r, const Perftools__Profiles__Profile *head)
{
    const struct {
        const char *of;
        int64_t index;
        uint32_t *id;
    } texts[] = {
        {"default_sample_type", head->default_sample_type, &r->m->default_sample_type},
        {"drop_frames", head->drop_frames, &r->m->drop_frames},
        {"keep_frames", head->keep_frames, &r->m->keep_frames},
        {"doc_url", head->doc_url, &r->m->doc_url},
    };
    r->row = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == STATUS_OK; i++)
        status = reader_string(r, texts[i].of, texts[i].index, texts[i].id);
    return status;
}

static enum status read_head(struct reader *r)
{
    enum status status;
    const Perftools__Profiles__Profile *head =
        reader_unpack(r, &perftools__profiles__profile__descriptor, r->head.data, r->head.len, &status);
    if (!head)
        return status;
    if (!head->n_sample_type)
        return status_because(r->why, STATUS_MALFORMED, "not a profile: it has no sample types");
    if (!r->strings.n)
        return status_because(r->why, STATUS_MALFORMED, "the profile has no string table");
    if (r->strings.at[0] != 0)
        return status_because(r->why, STATUS_MALFORMED, "the profile's first string is not empty");
    if (r->times > 1)
        return status_because(r->why, STATUS_MALFORMED, "%zu profiles are concatenated; merge them instead", r->times);
    r->m->period = head->period;
    r->m->time_nanos = head->time_nanos;
    r->m->duration_nanos = head->duration_nanos;
    status = read_types(r, head);
    if (status == STATUS_OK)
        status = read_comments(r, head);
    return status == STATUS_OK ? read_texts(r, head) : status;
}

static enum status read_rows(struct reader *r, enum profile_field number,
                             enum status (*read)(struct reader *r, const struct wire_field *field))
{
    r->wire.at = 0;
    r->row = 0;
    for (;;) {
        struct wire_field field;
        bool more;
        enum status status = wire_next(&r->wire, &field, &more, r->why);
        if (status == STATUS_OK && more && field.number == number) {
            r->row++;
            status = read(r, &field);
        }
        if (status != STATUS_OK || !more)
            return status;
    }
}

static enum status read_plain(const void *bytes, size_t n, struct model *m, struct reason *why)
{
    struct reader r = {.wire = {.bytes = bytes, .n = n}, .m = m, .why = why};
    arena_init(&r.arena);
    enum status status = survey(&r);
    if (status == STATUS_OK)
        status = read_head(&r);
    if (status == STATUS_OK)
        status = read_rows(&r, PROFILE_MAPPING, reader_mapping);
    if (status == STATUS_OK)
        status = read_rows(&r, PROFILE_FUNCTION, reader_function);
    if (status == STATUS_OK)
        status = read_rows(&r, PROFILE_LOCATION, reader_location);
    if (status == STATUS_OK)
        status = read_rows(&r, PROFILE_SAMPLE, reader_sample);
    reader_fini(&r);
    if (status == STATUS_MALFORMED)
        pprof_sniff(bytes, n, why);
    return status;
}

static bool is_gzip(const unsigned char *bytes, size_t n)
{
    return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

enum status pprof_read(const void *bytes, size_t n, struct model *m, struct reason *why)
{
    struct buf plain = {0};
    if (!n)
        return status_because(why, STATUS_MALFORMED, "empty input");
    if (n > PPROF_MAX_INFLATED_BYTES)
        return status_because(why, STATUS_TOO_BIG, "more than %zu bytes", PPROF_MAX_INFLATED_BYTES);
    if (is_gzip(bytes, n)) {
        enum status status = gzip_inflate(bytes, n, PPROF_MAX_INFLATED_BYTES, &plain, why);
        if (status == STATUS_OK && !plain.len)
            status = status_because(why, STATUS_MALFORMED, "empty input, gzipped");
        if (status != STATUS_OK) {
            buf_fini(&plain);
            return status;
        }
        bytes = plain.data;
        n = plain.len;
    }
    enum status status = model_init(m);
    if (status == STATUS_OK) {
        status = read_plain(bytes, n, m, why);
        if (status != STATUS_OK)
            model_fini(m);
    }
    buf_fini(&plain);
    return status;
}
