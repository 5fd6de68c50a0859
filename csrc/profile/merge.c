#include "profile/merge.h"

#include "profile/hash.h"
#include "profile/merge_head.h"

#include <string.h>

#define PAGE_ROUNDING 0x1000u

VEC_DEFINE(vec_label, struct model_label)
VEC_DEFINE(vec_line, struct model_line)

/* One merge. The maps hold, for each index of the input being added, its index in out, MODEL_NONE = not
 * yet: only what surviving samples reach is copied. */
struct merge {
    struct model *out;
    struct rowindex by_place; /* out's mappings by what they map, wherever it lies */

    const struct model *in;
    double scale;
    struct vec_u32 strings, functions, locations, mappings;
    struct vec_u64 shift; /* per mapping of in: its start in out minus its start in in */

    struct vec_u32 stack;
    struct vec_label labels;
    struct vec_line lines;
};

static void merge_fini(struct merge *g)
{
    rowindex_fini(&g->by_place);
    vec_u32_fini(&g->strings);
    vec_u32_fini(&g->functions);
    vec_u32_fini(&g->locations);
    vec_u32_fini(&g->mappings);
    vec_u64_fini(&g->shift);
    vec_u32_fini(&g->stack);
    vec_label_fini(&g->labels);
    vec_line_fini(&g->lines);
}

static enum status map_string(struct merge *g, uint32_t id, uint32_t *out)
{
    enum status status = STATUS_OK;
    if (g->strings.at[id] == MODEL_NONE)
        status = strtab_intern_bytes(&g->out->strings, strtab_at(&g->in->strings, id), strtab_len(&g->in->strings, id),
                                     &g->strings.at[id]);
    *out = g->strings.at[id];
    return status;
}

/* Two runs of one program map it at different addresses: size, offset and build id (else file) tell that it
 * is the same, and the input's addresses move to where out has it. */
static uint64_t place_size(const struct model_mapping *mapping)
{
    return (mapping->limit - mapping->start + PAGE_ROUNDING - 1) / PAGE_ROUNDING;
}

static uint32_t place_name(const struct model_mapping *mapping)
{
    return mapping->build_id ? mapping->build_id : mapping->filename;
}

static bool same_place(const struct model *m, uint32_t row, const struct model_mapping *mapping)
{
    struct model_mapping have = model_mapping_at(m, row);
    return place_name(&have) == place_name(mapping) && have.offset == mapping->offset &&
           place_size(&have) == place_size(mapping);
}

static enum status intern_place(struct merge *g, const struct model_mapping *mapping, uint32_t *out)
{
    uint64_t hash = hash_word(hash_word(g->by_place.seed, place_size(mapping)), mapping->offset);
    hash = hash_word(hash, place_name(mapping));
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&g->by_place, &probe, out))
        if (same_place(g->out, *out, mapping))
            return STATUS_OK;
    if (!rowindex_reserve(&g->by_place))
        return STATUS_NOMEM;
    enum status status = model_add_mapping(g->out, mapping, out);
    if (status == STATUS_OK)
        rowindex_put(&g->by_place, hash, *out);
    return status;
}

static enum status map_mapping(struct merge *g, uint32_t index, uint32_t *out)
{
    if (g->mappings.at[index] == MODEL_NONE) {
        struct model_mapping mapping = model_mapping_at(g->in, index);
        enum status status = map_string(g, mapping.filename, &mapping.filename);
        if (status == STATUS_OK)
            status = map_string(g, mapping.build_id, &mapping.build_id);
        if (status == STATUS_OK)
            status = intern_place(g, &mapping, &g->mappings.at[index]);
        if (status != STATUS_OK)
            return status;
        g->shift.at[index] = g->out->mapping_start.at[g->mappings.at[index]] - mapping.start;
    }
    *out = g->mappings.at[index];
    return STATUS_OK;
}

static enum status map_function(struct merge *g, uint32_t index, uint32_t *out)
{
    if (g->functions.at[index] == MODEL_NONE) {
        struct model_function function = model_function_at(g->in, index);
        enum status status = map_string(g, function.name, &function.name);
        if (status == STATUS_OK)
            status = map_string(g, function.system_name, &function.system_name);
        if (status == STATUS_OK)
            status = map_string(g, function.filename, &function.filename);
        if (status == STATUS_OK)
            status = model_add_function(g->out, &function, &g->functions.at[index]);
        if (status != STATUS_OK)
            return status;
    }
    *out = g->functions.at[index];
    return STATUS_OK;
}

static enum status map_lines(struct merge *g, uint32_t location)
{
    const struct model *in = g->in;
    g->lines.n = 0;
    for (size_t i = in->line_start.at[location]; i < in->line_start.at[location + 1]; i++) {
        struct model_line line = {.line = in->line_number.at[i], .column = in->line_column.at[i]};
        enum status status = map_function(g, in->line_function.at[i], &line.function);
        if (status != STATUS_OK)
            return status;
        if (!vec_line_push(&g->lines, line))
            return STATUS_NOMEM;
    }
    return STATUS_OK;
}

static enum status map_location(struct merge *g, uint32_t index, uint32_t *out)
{
    if (g->locations.at[index] == MODEL_NONE) {
        struct model_location location = {
            .mapping = g->in->location_mapping.at[index],
            .address = g->in->location_address.at[index],
            .is_folded = g->in->location_folded.at[index],
        };
        enum status status = STATUS_OK;
        if (location.mapping != MODEL_NONE) {
            uint32_t mapping = location.mapping;
            status = map_mapping(g, mapping, &location.mapping);
            if (status == STATUS_OK)
                location.address += g->shift.at[mapping];
        }
        if (status == STATUS_OK)
            status = map_lines(g, index);
        location.lines = g->lines.at;
        location.n_lines = g->lines.n;
        if (status == STATUS_OK)
            status = model_add_location(g->out, &location, &g->locations.at[index]);
        if (status != STATUS_OK)
            return status;
    }
    *out = g->locations.at[index];
    return STATUS_OK;
}

static enum status map_stack(struct merge *g, size_t sample)
{
    g->stack.n = 0;
    for (size_t i = g->in->stack_start.at[sample]; i < g->in->stack_start.at[sample + 1]; i++) {
        uint32_t location;
        enum status status = map_location(g, g->in->stack.at[i], &location);
        if (status != STATUS_OK)
            return status;
        if (!vec_u32_push(&g->stack, location))
            return STATUS_NOMEM;
    }
    return STATUS_OK;
}

static enum status map_labels(struct merge *g, size_t sample)
{
    const struct model *in = g->in;
    g->labels.n = 0;
    for (size_t i = in->label_start.at[sample]; i < in->label_start.at[sample + 1]; i++) {
        struct model_label label = {.str = in->label_str.at[i], .num = in->label_num.at[i]};
        enum status status = map_string(g, in->label_key.at[i], &label.key);
        if (status == STATUS_OK)
            status = map_string(g, in->label_unit.at[i], &label.unit);
        if (status == STATUS_OK && label.str != MODEL_NONE)
            status = map_string(g, label.str, &label.str);
        if (status != STATUS_OK)
            return status;
        if (!vec_label_push(&g->labels, label))
            return STATUS_NOMEM;
    }
    return STATUS_OK;
}

/* Whole numbers stay whole: a double holds only 53 bits of them. 0x1p63 is the first double past INT64_MAX.
 * Rounding is spelled out, since round() would be the only need for libm. */
static int64_t scaled(int64_t value, double scale)
{
    if (scale == 1)
        return value;
    if (scale == -1)
        return value == INT64_MIN ? INT64_MAX : -value;
    double product = (double)value * scale;
    if (product >= 0x1p63)
        return INT64_MAX;
    if (product <= -0x1p63)
        return INT64_MIN;
    int64_t whole = (int64_t)product;
    double rest = product - (double)whole;
    return whole + (rest >= 0.5) - (rest <= -0.5);
}

static enum status add_samples(struct merge *g)
{
    int64_t values[MODEL_MAX_TYPES];
    size_t n_types = g->in->n_types;
    for (size_t sample = 0; sample < g->in->n_samples; sample++) {
        bool zero = true;
        for (size_t i = 0; i < n_types; i++) {
            values[i] = scaled(g->in->values.at[sample * n_types + i], g->scale);
            zero = zero && values[i] == 0;
        }
        if (zero)
            continue;
        enum status status = map_stack(g, sample);
        if (status == STATUS_OK)
            status = map_labels(g, sample);
        if (status == STATUS_OK)
            status = model_add_sample(g->out, g->stack.at, g->stack.n, values, g->labels.at, g->labels.n);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static bool map_reset(struct vec_u32 *map, size_t n)
{
    map->n = 0;
    if (!vec_u32_reserve(map, n))
        return false;
    if (n)
        memset(map->at, 0xff, n * sizeof *map->at);
    map->n = n;
    return true;
}

static enum status add_input(struct merge *g, const struct model *in, double scale)
{
    g->in = in;
    g->scale = scale;
    g->shift.n = 0;
    if (!map_reset(&g->strings, strtab_count(&in->strings)) || !map_reset(&g->functions, in->n_functions) ||
        !map_reset(&g->locations, in->n_locations) || !map_reset(&g->mappings, in->n_mappings) ||
        !vec_u64_reserve(&g->shift, in->n_mappings))
        return STATUS_NOMEM;
    /* Mapping 0 is the main binary by convention, also where no sample reaches it. */
    uint32_t main_binary;
    if (!g->out->n_mappings && in->n_mappings) {
        enum status status = map_mapping(g, 0, &main_binary);
        if (status != STATUS_OK)
            return status;
    }
    return add_samples(g);
}

static bool has_zero_row(const struct model *m)
{
    for (size_t sample = 0; sample < m->n_samples; sample++) {
        bool zero = true;
        for (size_t i = 0; i < m->n_types && zero; i++)
            zero = m->values.at[sample * m->n_types + i] == 0;
        if (zero)
            return true;
    }
    return false;
}

static enum status sum_into(const struct model *const *inputs, const double *scales, size_t n, struct model *out)
{
    enum status status = model_init(out);
    if (status != STATUS_OK)
        return status;
    struct merge g = {.out = out};
    rowindex_init(&g.by_place);
    status = merge_head(inputs, n, out);
    for (size_t i = 0; i < n && status == STATUS_OK; i++)
        status = add_input(&g, inputs[i], scales[i]);
    merge_fini(&g);
    if (status != STATUS_OK)
        model_fini(out);
    return status;
}

enum status merge_models(const struct model *const *inputs, const double *scales, size_t n, struct model *out,
                         struct reason *why)
{
    enum status status = merge_check(inputs, scales, n, why);
    if (status == STATUS_OK)
        status = sum_into(inputs, scales, n, out);
    if (status == STATUS_OK && has_zero_row(out)) {
        /* Rows that cancelled out go, and with them what only they reached: one more sum, of one input. */
        struct model with_zeros = *out;
        status = sum_into((const struct model *const[]){&with_zeros}, (const double[]){1}, 1, out);
        model_fini(&with_zeros);
    }
    return status;
}
