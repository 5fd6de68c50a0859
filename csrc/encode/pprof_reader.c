#include "encode/pprof_reader.h"

#include "profile.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

struct row_text {
    char text[24];
};

static struct row_text row_text(const struct reader *r)
{
    struct row_text out = {""};
    if (r->row)
        snprintf(out.text, sizeof out.text, " %zu", r->row);
    return out;
}

const void *reader_unpack(struct reader *r, const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
                          enum status *status)
{
    arena_reset(&r->arena);
    const void *message = protobuf_c_message_unpack(type, &r->arena.allocator, n, bytes);
    if (message)
        *status = STATUS_OK;
    else if (r->arena.no_memory)
        *status = STATUS_NOMEM;
    else if (r->arena.too_big)
        *status = status_because(r->why, STATUS_TOO_BIG, "%s%s takes more than %zu bytes of memory", type->short_name,
                                 row_text(r).text, ARENA_MAX_BYTES);
    else
        *status = status_because(r->why, STATUS_MALFORMED, "not a profile: %s%s is not a valid protobuf message",
                                 type->short_name, row_text(r).text);
    return message;
}

enum status reader_string(struct reader *r, const char *of, int64_t index, uint32_t *id)
{
    if (index < 0 || (uint64_t)index >= r->strings.n)
        return status_because(r->why, STATUS_MALFORMED, "%s%s refers to string %" PRId64 " of %zu", of,
                              row_text(r).text, index, r->strings.n);
    *id = r->strings.at[index];
    return STATUS_OK;
}

static enum status add_id(struct reader *r, const char *of, struct pprof_ids *ids, uint64_t id, uint32_t row)
{
    if (!id)
        return status_because(r->why, STATUS_MALFORMED, "%s %zu has id 0", of, r->row);
    enum status status = pprof_ids_add(ids, id, row);
    if (status == STATUS_INVALID)
        return status_because(r->why, STATUS_MALFORMED, "%s %zu has id %" PRIu64 ", which is taken", of, r->row, id);
    return status;
}

static enum status find_id(struct reader *r, const char *of, const char *what, const struct pprof_ids *ids, uint64_t id,
                           uint32_t *row)
{
    if (pprof_ids_find(ids, id, row))
        return STATUS_OK;
    return status_because(r->why, STATUS_MALFORMED, "%s %zu refers to %s %" PRIu64 ", which does not exist", of, r->row,
                          what, id);
}

enum status reader_mapping(struct reader *r, const struct wire_field *field)
{
    enum status status;
    const Perftools__Profiles__Mapping *in =
        reader_unpack(r, &perftools__profiles__mapping__descriptor, field->content, field->content_len, &status);
    if (!in)
        return status;
    struct model_mapping out = {.start = in->memory_start, .limit = in->memory_limit, .offset = in->file_offset};
    out.flags = (in->has_functions ? MODEL_HAS_FUNCTIONS : 0) | (in->has_filenames ? MODEL_HAS_FILENAMES : 0) |
                (in->has_line_numbers ? MODEL_HAS_LINE_NUMBERS : 0) |
                (in->has_inline_frames ? MODEL_HAS_INLINE_FRAMES : 0);
    uint32_t row;
    status = reader_string(r, "mapping", in->filename, &out.filename);
    if (status == STATUS_OK)
        status = reader_string(r, "mapping", in->build_id, &out.build_id);
    if (status == STATUS_OK)
        status = model_add_mapping(r->m, &out, &row);
    return status == STATUS_OK ? add_id(r, "mapping", &r->mappings, in->id, row) : status;
}

enum status reader_function(struct reader *r, const struct wire_field *field)
{
    enum status status;
    const Perftools__Profiles__Function *in =
        reader_unpack(r, &perftools__profiles__function__descriptor, field->content, field->content_len, &status);
    if (!in)
        return status;
    struct model_function out = {.start_line = in->start_line};
    uint32_t row;
    status = reader_string(r, "function", in->name, &out.name);
    if (status == STATUS_OK)
        status = reader_string(r, "function", in->system_name, &out.system_name);
    if (status == STATUS_OK)
        status = reader_string(r, "function", in->filename, &out.filename);
    if (status == STATUS_OK)
        status = model_add_function(r->m, &out, &row);
    return status == STATUS_OK ? add_id(r, "function", &r->functions, in->id, row) : status;
}

static enum status read_lines(struct reader *r, const Perftools__Profiles__Location *in)
{
    r->lines.n = 0;
    if (!vec_line_reserve(&r->lines, in->n_line))
        return STATUS_NOMEM;
    for (size_t i = 0; i < in->n_line; i++) {
        struct model_line line = {.line = in->line[i]->line, .column = in->line[i]->column};
        if (!in->line[i]->function_id)
            return status_because(r->why, STATUS_MALFORMED, "location %zu has a line without a function", r->row);
        enum status status =
            find_id(r, "location", "function", &r->functions, in->line[i]->function_id, &line.function);
        if (status != STATUS_OK)
            return status;
        vec_line_push(&r->lines, line);
    }
    return STATUS_OK;
}

enum status reader_location(struct reader *r, const struct wire_field *field)
{
    enum status status;
    const Perftools__Profiles__Location *in =
        reader_unpack(r, &perftools__profiles__location__descriptor, field->content, field->content_len, &status);
    if (!in)
        return status;
    struct model_location out = {.mapping = MODEL_NONE, .address = in->address, .is_folded = in->is_folded ? 1 : 0};
    if (in->mapping_id)
        status = find_id(r, "location", "mapping", &r->mappings, in->mapping_id, &out.mapping);
    if (status == STATUS_OK)
        status = read_lines(r, in);
    if (status != STATUS_OK)
        return status;
    out.lines = r->lines.at;
    out.n_lines = r->lines.n;
    uint32_t row;
    status = model_add_location(r->m, &out, &row);
    return status == STATUS_OK ? add_id(r, "location", &r->locations, in->id, row) : status;
}

static enum status read_stack(struct reader *r, const Perftools__Profiles__Sample *in)
{
    r->stack.n = 0;
    if (!vec_u32_reserve(&r->stack, in->n_location_id))
        return STATUS_NOMEM;
    for (size_t i = 0; i < in->n_location_id; i++) {
        uint32_t location;
        enum status status = find_id(r, "sample", "location", &r->locations, in->location_id[i], &location);
        if (status != STATUS_OK)
            return status;
        vec_u32_push(&r->stack, location);
    }
    return STATUS_OK;
}

/* A label is text when it has a string, else a number. On the wire an empty text looks like the number 0. */
static enum status read_labels(struct reader *r, const Perftools__Profiles__Sample *in)
{
    r->labels.n = 0;
    if (!vec_label_reserve(&r->labels, in->n_label))
        return STATUS_NOMEM;
    for (size_t i = 0; i < in->n_label; i++) {
        const Perftools__Profiles__Label *label = in->label[i];
        struct model_label out = {.str = MODEL_NONE};
        enum status status = reader_string(r, "a label of sample", label->key, &out.key);
        if (status == STATUS_OK && label->str) {
            status = reader_string(r, "a label of sample", label->str, &out.str);
        } else if (status == STATUS_OK) {
            out.num = label->num;
            status = reader_string(r, "a label of sample", label->num_unit, &out.unit);
        }
        if (status != STATUS_OK)
            return status;
        vec_label_push(&r->labels, out);
    }
    return STATUS_OK;
}

enum status reader_sample(struct reader *r, const struct wire_field *field)
{
    enum status status;
    const Perftools__Profiles__Sample *in =
        reader_unpack(r, &perftools__profiles__sample__descriptor, field->content, field->content_len, &status);
    if (!in)
        return status;
    if (in->n_value != r->m->n_types)
        return status_because(r->why, STATUS_MALFORMED, "sample %zu has %zu values for %zu sample types", r->row,
                              in->n_value, r->m->n_types);
    status = read_stack(r, in);
    if (status == STATUS_OK)
        status = read_labels(r, in);
    if (status != STATUS_OK)
        return status;
    return model_add_sample(r->m, r->stack.at, r->stack.n, in->value, r->labels.at, r->labels.n);
}
