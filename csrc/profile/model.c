#include "profile/model.h"

#include "profile/hash.h"

#include <string.h>

enum status model_init(struct model *m)
{
    *m = (struct model){0};
    enum status status = strtab_init(&m->strings);
    if (status != STATUS_OK)
        return status;
    rowindex_init(&m->by_sample);
    rowindex_init(&m->by_location);
    rowindex_init(&m->by_function);
    rowindex_init(&m->by_mapping);
    if (vec_u64_push(&m->stack_start, 0) && vec_u64_push(&m->label_start, 0) && vec_u64_push(&m->line_start, 0))
        return STATUS_OK;
    model_fini(m);
    return STATUS_NOMEM;
}

static void fini_samples(struct model *m)
{
    vec_i64_fini(&m->values);
    vec_u64_fini(&m->stack_start);
    vec_u32_fini(&m->stack);
    vec_u64_fini(&m->label_start);
    vec_u32_fini(&m->label_key);
    vec_u32_fini(&m->label_str);
    vec_u32_fini(&m->label_unit);
    vec_i64_fini(&m->label_num);
    rowindex_fini(&m->by_sample);
}

static void fini_locations(struct model *m)
{
    vec_u32_fini(&m->location_mapping);
    vec_u32_fini(&m->location_folded);
    vec_u64_fini(&m->location_address);
    vec_u64_fini(&m->line_start);
    vec_u32_fini(&m->line_function);
    vec_i64_fini(&m->line_number);
    vec_i64_fini(&m->line_column);
    rowindex_fini(&m->by_location);
}

static void fini_functions(struct model *m)
{
    vec_u32_fini(&m->function_name);
    vec_u32_fini(&m->function_system_name);
    vec_u32_fini(&m->function_filename);
    vec_i64_fini(&m->function_start_line);
    rowindex_fini(&m->by_function);
}

static void fini_mappings(struct model *m)
{
    vec_u64_fini(&m->mapping_start);
    vec_u64_fini(&m->mapping_limit);
    vec_u64_fini(&m->mapping_offset);
    vec_u32_fini(&m->mapping_filename);
    vec_u32_fini(&m->mapping_build_id);
    vec_u32_fini(&m->mapping_flags);
    rowindex_fini(&m->by_mapping);
}

void model_fini(struct model *m)
{
    strtab_fini(&m->strings);
    vec_u32_fini(&m->comments);
    fini_samples(m);
    fini_locations(m);
    fini_functions(m);
    fini_mappings(m);
    *m = (struct model){0};
}

static enum status intern_value_type(struct model *m, const char *type, const char *unit, struct model_value_type *out)
{
    enum status status = strtab_intern(&m->strings, type, &out->type);
    return status == STATUS_OK ? strtab_intern(&m->strings, unit, &out->unit) : status;
}

enum status model_add_type(struct model *m, const char *type, const char *unit)
{
    if (m->n_samples)
        return STATUS_INVALID;
    if (m->n_types == MODEL_MAX_TYPES)
        return STATUS_TOO_BIG;
    enum status status = intern_value_type(m, type, unit, &m->types[m->n_types]);
    if (status == STATUS_OK)
        m->n_types++;
    return status;
}

enum status model_set_period(struct model *m, const char *type, const char *unit, int64_t period)
{
    struct model_value_type interned;
    enum status status = intern_value_type(m, type, unit, &interned);
    if (status == STATUS_OK) {
        m->period_type = interned;
        m->period = period;
    }
    return status;
}

enum status model_add_comment(struct model *m, const char *text)
{
    uint32_t id;
    enum status status = strtab_intern(&m->strings, text, &id);
    if (status != STATUS_OK)
        return status;
    return vec_u32_push(&m->comments, id) ? STATUS_OK : STATUS_NOMEM;
}

struct model_mapping model_mapping_at(const struct model *m, uint32_t index)
{
    return (struct model_mapping){
        .start = m->mapping_start.at[index],
        .limit = m->mapping_limit.at[index],
        .offset = m->mapping_offset.at[index],
        .filename = m->mapping_filename.at[index],
        .build_id = m->mapping_build_id.at[index],
        .flags = m->mapping_flags.at[index],
    };
}

static bool mapping_equal(const struct model *m, uint32_t row, const struct model_mapping *in)
{
    struct model_mapping have = model_mapping_at(m, row);
    return have.start == in->start && have.limit == in->limit && have.offset == in->offset &&
           have.filename == in->filename && have.build_id == in->build_id && have.flags == in->flags;
}

enum status model_add_mapping(struct model *m, const struct model_mapping *in, uint32_t *index)
{
    uint64_t hash = hash_word(hash_word(m->by_mapping.seed, in->start), in->limit);
    hash = hash_word(hash_word(hash, in->offset), (uint64_t)in->filename << 32 | in->build_id);
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&m->by_mapping, &probe, index))
        if (mapping_equal(m, *index, in))
            return STATUS_OK;
    if (m->n_mappings >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!rowindex_reserve(&m->by_mapping) || !vec_u64_reserve(&m->mapping_start, 1) ||
        !vec_u64_reserve(&m->mapping_limit, 1) || !vec_u64_reserve(&m->mapping_offset, 1) ||
        !vec_u32_reserve(&m->mapping_filename, 1) || !vec_u32_reserve(&m->mapping_build_id, 1) ||
        !vec_u32_reserve(&m->mapping_flags, 1))
        return STATUS_NOMEM;
    vec_u64_push(&m->mapping_start, in->start);
    vec_u64_push(&m->mapping_limit, in->limit);
    vec_u64_push(&m->mapping_offset, in->offset);
    vec_u32_push(&m->mapping_filename, in->filename);
    vec_u32_push(&m->mapping_build_id, in->build_id);
    vec_u32_push(&m->mapping_flags, in->flags);
    *index = (uint32_t)m->n_mappings++;
    rowindex_put(&m->by_mapping, hash, *index);
    return STATUS_OK;
}

struct model_function model_function_at(const struct model *m, uint32_t index)
{
    return (struct model_function){
        .name = m->function_name.at[index],
        .system_name = m->function_system_name.at[index],
        .filename = m->function_filename.at[index],
        .start_line = m->function_start_line.at[index],
    };
}

static bool function_equal(const struct model *m, uint32_t row, const struct model_function *in)
{
    struct model_function have = model_function_at(m, row);
    return have.name == in->name && have.system_name == in->system_name && have.filename == in->filename &&
           have.start_line == in->start_line;
}

enum status model_add_function(struct model *m, const struct model_function *in, uint32_t *index)
{
    uint64_t hash = hash_word(m->by_function.seed, (uint64_t)in->name << 32 | in->system_name);
    hash = hash_word(hash_word(hash, in->filename), (uint64_t)in->start_line);
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&m->by_function, &probe, index))
        if (function_equal(m, *index, in))
            return STATUS_OK;
    if (m->n_functions >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!rowindex_reserve(&m->by_function) || !vec_u32_reserve(&m->function_name, 1) ||
        !vec_u32_reserve(&m->function_system_name, 1) || !vec_u32_reserve(&m->function_filename, 1) ||
        !vec_i64_reserve(&m->function_start_line, 1))
        return STATUS_NOMEM;
    vec_u32_push(&m->function_name, in->name);
    vec_u32_push(&m->function_system_name, in->system_name);
    vec_u32_push(&m->function_filename, in->filename);
    vec_i64_push(&m->function_start_line, in->start_line);
    *index = (uint32_t)m->n_functions++;
    rowindex_put(&m->by_function, hash, *index);
    return STATUS_OK;
}
