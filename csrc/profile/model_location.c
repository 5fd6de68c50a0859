#include "profile/model.h"

#include "profile/hash.h"

static bool location_valid(const struct model *m, const struct model_location *in)
{
    if (in->mapping != MODEL_NONE && in->mapping >= m->n_mappings)
        return false;
    for (size_t i = 0; i < in->n_lines; i++)
        if (in->lines[i].function >= m->n_functions)
            return false;
    return true;
}

static uint64_t location_hash(const struct model *m, const struct model_location *in)
{
    uint64_t hash = hash_word(hash_word(m->by_location.seed, in->address), (uint64_t)in->mapping << 32 | in->n_lines);
    for (size_t i = 0; i < in->n_lines; i++)
        hash = hash_word(hash_word(hash, in->lines[i].function), (uint64_t)in->lines[i].line);
    return hash;
}

static bool location_equal(const struct model *m, uint32_t row, const struct model_location *in)
{
    size_t first = m->line_start.at[row], n = m->line_start.at[row + 1] - first;
    if (n != in->n_lines || m->location_address.at[row] != in->address || m->location_mapping.at[row] != in->mapping ||
        m->location_folded.at[row] != in->is_folded)
        return false;
    for (size_t i = 0; i < n; i++)
        if (m->line_function.at[first + i] != in->lines[i].function ||
            m->line_number.at[first + i] != in->lines[i].line || m->line_column.at[first + i] != in->lines[i].column)
            return false;
    return true;
}

static bool location_reserve(struct model *m, size_t n_lines)
{
    return rowindex_reserve(&m->by_location) && vec_u32_reserve(&m->location_mapping, 1) &&
           vec_u32_reserve(&m->location_folded, 1) && vec_u64_reserve(&m->location_address, 1) &&
           vec_u64_reserve(&m->line_start, 1) && vec_u32_reserve(&m->line_function, n_lines) &&
           vec_i64_reserve(&m->line_number, n_lines) && vec_i64_reserve(&m->line_column, n_lines);
}

enum status model_add_location(struct model *m, const struct model_location *in, uint32_t *index)
{
    if (!location_valid(m, in))
        return STATUS_INVALID;
    uint64_t hash = location_hash(m, in);
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&m->by_location, &probe, index))
        if (location_equal(m, *index, in))
            return STATUS_OK;
    if (m->n_locations >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!location_reserve(m, in->n_lines))
        return STATUS_NOMEM;
    vec_u32_push(&m->location_mapping, in->mapping);
    vec_u32_push(&m->location_folded, in->is_folded);
    vec_u64_push(&m->location_address, in->address);
    for (size_t i = 0; i < in->n_lines; i++) {
        vec_u32_push(&m->line_function, in->lines[i].function);
        vec_i64_push(&m->line_number, in->lines[i].line);
        vec_i64_push(&m->line_column, in->lines[i].column);
    }
    vec_u64_push(&m->line_start, m->line_function.n);
    *index = (uint32_t)m->n_locations++;
    rowindex_put(&m->by_location, hash, *index);
    return STATUS_OK;
}
