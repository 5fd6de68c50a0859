#include "encode/gzip.h"
#include "encode/pprof.h"
#include "profile.pb-c.h"

#define GZIP_LEVEL 1 /* as Go: a profile is served once, and level 6 takes three times as long */

VEC_DEFINE(vec_label_message, Perftools__Profiles__Label)
VEC_DEFINE(vec_label_pointer, Perftools__Profiles__Label *)
VEC_DEFINE(vec_line_message, Perftools__Profiles__Line)
VEC_DEFINE(vec_line_pointer, Perftools__Profiles__Line *)

/* A message is the concatenation of its fields, so the file is written as many small Profiles of one row
 * each: the wire shape never exists as a whole in memory. The scratch vectors are reused row by row. */
struct writer {
    const struct model *m;
    struct buf plain;
    bool failed;
    struct vec_u64 ids;
    struct vec_label_message labels;
    struct vec_label_pointer label_pointers;
    struct vec_line_message lines;
    struct vec_line_pointer line_pointers;
};

static void writer_fini(struct writer *w)
{
    buf_fini(&w->plain);
    vec_u64_fini(&w->ids);
    vec_label_message_fini(&w->labels);
    vec_label_pointer_fini(&w->label_pointers);
    vec_line_message_fini(&w->lines);
    vec_line_pointer_fini(&w->line_pointers);
}

static void put(struct writer *w, const Perftools__Profiles__Profile *part)
{
    size_t n = perftools__profiles__profile__get_packed_size(part);
    char *room = buf_reserve(&w->plain, n);
    if (room)
        w->plain.len += perftools__profiles__profile__pack(part, (uint8_t *)room);
}

static Perftools__Profiles__ValueType value_type(struct model_value_type in)
{
    Perftools__Profiles__ValueType out = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
    out.type = in.type;
    out.unit = in.unit;
    return out;
}

static void write_head(struct writer *w)
{
    const struct model *m = w->m;
    Perftools__Profiles__Profile head = PERFTOOLS__PROFILES__PROFILE__INIT;
    Perftools__Profiles__ValueType types[MODEL_MAX_TYPES], *type_pointers[MODEL_MAX_TYPES];
    for (size_t i = 0; i < m->n_types; i++) {
        types[i] = value_type(m->types[i]);
        type_pointers[i] = &types[i];
    }
    head.n_sample_type = m->n_types;
    head.sample_type = type_pointers;
    Perftools__Profiles__ValueType period_type = value_type(m->period_type);
    if (m->period_type.type || m->period_type.unit)
        head.period_type = &period_type;
    head.period = m->period;
    head.time_nanos = m->time_nanos;
    head.duration_nanos = m->duration_nanos;
    head.default_sample_type = m->default_sample_type;
    head.drop_frames = m->drop_frames;
    head.keep_frames = m->keep_frames;
    head.doc_url = m->doc_url;

    struct vec_i64 comments = {0};
    if (vec_i64_reserve(&comments, m->comments.n))
        for (size_t i = 0; i < m->comments.n; i++)
            vec_i64_push(&comments, m->comments.at[i]);
    w->failed = w->failed || comments.n != m->comments.n;
    head.n_comment = comments.n;
    head.comment = comments.at;
    put(w, &head);
    vec_i64_fini(&comments);
}

static Perftools__Profiles__Label label_at(const struct model *m, size_t i)
{
    Perftools__Profiles__Label out = PERFTOOLS__PROFILES__LABEL__INIT;
    out.key = m->label_key.at[i];
    if (m->label_str.at[i] != MODEL_NONE) {
        out.str = m->label_str.at[i];
    } else {
        out.num = m->label_num.at[i];
        out.num_unit = m->label_unit.at[i];
    }
    return out;
}

static bool gather_labels(struct writer *w, size_t row)
{
    const struct model *m = w->m;
    size_t first = m->label_start.at[row], n = m->label_start.at[row + 1] - first;
    w->labels.n = w->label_pointers.n = 0;
    if (!vec_label_message_reserve(&w->labels, n) || !vec_label_pointer_reserve(&w->label_pointers, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        vec_label_message_push(&w->labels, label_at(m, first + i));
        vec_label_pointer_push(&w->label_pointers, &w->labels.at[i]);
    }
    return true;
}

static bool gather_ids(struct writer *w, size_t row)
{
    const struct model *m = w->m;
    w->ids.n = 0;
    if (!vec_u64_reserve(&w->ids, m->stack_start.at[row + 1] - m->stack_start.at[row]))
        return false;
    for (size_t i = m->stack_start.at[row]; i < m->stack_start.at[row + 1]; i++)
        vec_u64_push(&w->ids, (uint64_t)m->stack.at[i] + 1);
    return true;
}

static void write_sample(struct writer *w, size_t row)
{
    if (!gather_ids(w, row) || !gather_labels(w, row)) {
        w->failed = true;
        return;
    }
    Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
    sample.n_location_id = w->ids.n;
    sample.location_id = w->ids.at;
    sample.n_value = w->m->n_types;
    sample.value = &w->m->values.at[row * w->m->n_types];
    sample.n_label = w->label_pointers.n;
    sample.label = w->label_pointers.at;

    Perftools__Profiles__Sample *samples[] = {&sample};
    Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_sample = 1;
    part.sample = samples;
    put(w, &part);
}

static void write_mapping(struct writer *w, size_t row)
{
    struct model_mapping in = model_mapping_at(w->m, (uint32_t)row);
    Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
    mapping.id = row + 1;
    mapping.memory_start = in.start;
    mapping.memory_limit = in.limit;
    mapping.file_offset = in.offset;
    mapping.filename = in.filename;
    mapping.build_id = in.build_id;
    mapping.has_functions = (in.flags & MODEL_HAS_FUNCTIONS) != 0;
    mapping.has_filenames = (in.flags & MODEL_HAS_FILENAMES) != 0;
    mapping.has_line_numbers = (in.flags & MODEL_HAS_LINE_NUMBERS) != 0;
    mapping.has_inline_frames = (in.flags & MODEL_HAS_INLINE_FRAMES) != 0;

    Perftools__Profiles__Mapping *mappings[] = {&mapping};
    Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_mapping = 1;
    part.mapping = mappings;
    put(w, &part);
}

static bool gather_lines(struct writer *w, size_t row)
{
    const struct model *m = w->m;
    size_t first = m->line_start.at[row], n = m->line_start.at[row + 1] - first;
    w->lines.n = w->line_pointers.n = 0;
    if (!vec_line_message_reserve(&w->lines, n) || !vec_line_pointer_reserve(&w->line_pointers, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT;
        line.function_id = (uint64_t)m->line_function.at[first + i] + 1;
        line.line = m->line_number.at[first + i];
        line.column = m->line_column.at[first + i];
        vec_line_message_push(&w->lines, line);
        vec_line_pointer_push(&w->line_pointers, &w->lines.at[i]);
    }
    return true;
}

static void write_location(struct writer *w, size_t row)
{
    if (!gather_lines(w, row)) {
        w->failed = true;
        return;
    }
    uint32_t mapping = w->m->location_mapping.at[row];
    Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
    location.id = row + 1;
    location.mapping_id = mapping == MODEL_NONE ? 0 : (uint64_t)mapping + 1;
    location.address = w->m->location_address.at[row];
    location.is_folded = w->m->location_folded.at[row] != 0;
    location.n_line = w->line_pointers.n;
    location.line = w->line_pointers.at;

    Perftools__Profiles__Location *locations[] = {&location};
    Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_location = 1;
    part.location = locations;
    put(w, &part);
}

static void write_function(struct writer *w, size_t row)
{
    struct model_function in = model_function_at(w->m, (uint32_t)row);
    Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
    function.id = row + 1;
    function.name = in.name;
    function.system_name = in.system_name;
    function.filename = in.filename;
    function.start_line = in.start_line;

    Perftools__Profiles__Function *functions[] = {&function};
    Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_function = 1;
    part.function = functions;
    put(w, &part);
}

static void write_string(struct writer *w, size_t id)
{
    ProtobufCBinaryData string = {
        .len = strtab_len(&w->m->strings, (uint32_t)id),
        .data = (uint8_t *)strtab_at(&w->m->strings, (uint32_t)id),
    };
    Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_string_table = 1;
    part.string_table = &string;
    put(w, &part);
}

static void write_rows(struct writer *w, size_t n, void (*write)(struct writer *w, size_t row))
{
    for (size_t row = 0; row < n && !w->failed && !w->plain.failed; row++)
        write(w, row);
}

enum status pprof_write(const struct model *m, struct buf *out, struct reason *why)
{
    if (!m->n_types)
        return status_because(why, STATUS_INVALID, "a profile without sample types cannot be written");
    struct writer w = {.m = m};
    write_head(&w);
    write_rows(&w, m->n_samples, write_sample);
    write_rows(&w, m->n_mappings, write_mapping);
    write_rows(&w, m->n_locations, write_location);
    write_rows(&w, m->n_functions, write_function);
    write_rows(&w, strtab_count(&m->strings), write_string);
    enum status status = STATUS_NOMEM;
    if (!w.failed && !w.plain.failed)
        status = gzip_deflate(w.plain.data, w.plain.len, GZIP_LEVEL, out);
    writer_fini(&w);
    return status;
}
