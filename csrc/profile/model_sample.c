#include "profile/model.h"

#include "profile/hash.h"

#include <string.h>

#define FEW_LABELS 16 /* sorted on the stack; more go through malloc */

static int label_compare(const void *left, const void *right)
{
    const struct model_label *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->str != b->str)
        return a->str < b->str ? -1 : 1;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return (a->num > b->num) - (a->num < b->num);
}

static bool labels_sorted(const struct model_label *labels, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (label_compare(&labels[i - 1], &labels[i]) > 0)
            return false;
    return true;
}

static bool stack_valid(const struct model *m, const uint32_t *stack, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        if (stack[i] >= m->n_locations)
            return false;
    return true;
}

static uint64_t sample_hash(const struct model *m, const uint32_t *stack, size_t depth,
                            const struct model_label *labels, size_t n_labels)
{
    uint64_t hash = hash_bytes(m->by_sample.seed, stack, depth * sizeof *stack);
    for (size_t i = 0; i < n_labels; i++) {
        hash = hash_word(hash, (uint64_t)labels[i].key << 32 | labels[i].str);
        hash = hash_word(hash, (uint64_t)labels[i].num);
    }
    return hash;
}

static bool sample_equal(const struct model *m, uint32_t row, const uint32_t *stack, size_t depth,
                         const struct model_label *labels, size_t n_labels)
{
    size_t first = m->stack_start.at[row], label = m->label_start.at[row];
    if (m->stack_start.at[row + 1] - first != depth || m->label_start.at[row + 1] - label != n_labels)
        return false;
    if (depth && memcmp(&m->stack.at[first], stack, depth * sizeof *stack) != 0)
        return false;
    for (size_t i = 0; i < n_labels; i++, label++)
        if (m->label_key.at[label] != labels[i].key || m->label_str.at[label] != labels[i].str ||
            m->label_unit.at[label] != labels[i].unit || m->label_num.at[label] != labels[i].num)
            return false;
    return true;
}

static void values_add(int64_t *sums, const int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(sums[i], values[i], &sums[i]))
            sums[i] = values[i] < 0 ? INT64_MIN : INT64_MAX;
}

static bool sample_reserve(struct model *m, size_t depth, size_t n_labels)
{
    return rowindex_reserve(&m->by_sample) && vec_i64_reserve(&m->values, m->n_types) &&
           vec_u64_reserve(&m->stack_start, 1) && vec_u32_reserve(&m->stack, depth) &&
           vec_u64_reserve(&m->label_start, 1) && vec_u32_reserve(&m->label_key, n_labels) &&
           vec_u32_reserve(&m->label_str, n_labels) && vec_u32_reserve(&m->label_unit, n_labels) &&
           vec_i64_reserve(&m->label_num, n_labels);
}

static void sample_append(struct model *m, const uint32_t *stack, size_t depth, const int64_t *values,
                          const struct model_label *labels, size_t n_labels)
{
    memcpy(&m->values.at[m->values.n], values, m->n_types * sizeof *values);
    m->values.n += m->n_types;
    if (depth)
        memcpy(&m->stack.at[m->stack.n], stack, depth * sizeof *stack);
    m->stack.n += depth;
    vec_u64_push(&m->stack_start, m->stack.n);
    for (size_t i = 0; i < n_labels; i++) {
        vec_u32_push(&m->label_key, labels[i].key);
        vec_u32_push(&m->label_str, labels[i].str);
        vec_u32_push(&m->label_unit, labels[i].unit);
        vec_i64_push(&m->label_num, labels[i].num);
    }
    vec_u64_push(&m->label_start, m->label_key.n);
    m->n_samples++;
}

static enum status add_sorted(struct model *m, const uint32_t *stack, size_t depth, const int64_t *values,
                              const struct model_label *labels, size_t n_labels)
{
    uint64_t hash = sample_hash(m, stack, depth, labels, n_labels);
    struct rowindex_probe probe = rowindex_start(hash);
    uint32_t row;
    while (rowindex_next(&m->by_sample, &probe, &row)) {
        if (sample_equal(m, row, stack, depth, labels, n_labels)) {
            values_add(&m->values.at[row * m->n_types], values, m->n_types);
            return STATUS_OK;
        }
    }
    if (m->n_samples >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!sample_reserve(m, depth, n_labels))
        return STATUS_NOMEM;
    rowindex_put(&m->by_sample, hash, (uint32_t)m->n_samples);
    sample_append(m, stack, depth, values, labels, n_labels);
    return STATUS_OK;
}

enum status model_add_sample(struct model *m, const uint32_t *stack, size_t depth, const int64_t *values,
                             const struct model_label *labels, size_t n_labels)
{
    if (!m->n_types || !stack_valid(m, stack, depth))
        return STATUS_INVALID;
    if (labels_sorted(labels, n_labels))
        return add_sorted(m, stack, depth, values, labels, n_labels);

    struct model_label few[FEW_LABELS];
    struct model_label *sorted = n_labels <= FEW_LABELS ? few : malloc(n_labels * sizeof *sorted);
    if (!sorted)
        return STATUS_NOMEM;
    memcpy(sorted, labels, n_labels * sizeof *sorted);
    qsort(sorted, n_labels, sizeof *sorted, label_compare);
    enum status status = add_sorted(m, stack, depth, values, sorted, n_labels);
    if (sorted != few)
        free(sorted);
    return status;
}
