#include "profile/merge_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *type_text(const struct model *m, uint32_t id)
{
    return strtab_at(&m->strings, id);
}

static bool same_type(const struct model *a, struct model_value_type x, const struct model *b,
                      struct model_value_type y)
{
    return strcmp(type_text(a, x.type), type_text(b, y.type)) == 0 &&
           strcmp(type_text(a, x.unit), type_text(b, y.unit)) == 0;
}

static enum status because_types(const struct model *a, struct model_value_type x, const struct model *b,
                                 struct model_value_type y, const char *kind, size_t number, struct reason *why)
{
    return status_because(why, STATUS_INVALID, "profile %zu has %s type %.40s/%.40s where the first has %.40s/%.40s",
                          number, kind, type_text(b, y.type), type_text(b, y.unit), type_text(a, x.type),
                          type_text(a, x.unit));
}

static enum status check_types(const struct model *first, const struct model *other, size_t number, struct reason *why)
{
    if (first->n_types != other->n_types)
        return status_because(why, STATUS_INVALID, "profile %zu has %zu sample types, the first has %zu", number,
                              other->n_types, first->n_types);
    for (size_t i = 0; i < first->n_types; i++)
        if (!same_type(first, first->types[i], other, other->types[i]))
            return because_types(first, first->types[i], other, other->types[i], "sample", number, why);
    if (!same_type(first, first->period_type, other, other->period_type))
        return because_types(first, first->period_type, other, other->period_type, "period", number, why);
    return STATUS_OK;
}

enum status merge_check(const struct model *const *inputs, const double *scales, size_t n, struct reason *why)
{
    if (!n)
        return status_because(why, STATUS_INVALID, "no profiles to merge");
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scales[i]))
            return status_because(why, STATUS_INVALID, "the scale of profile %zu is not a finite number", i + 1);
        enum status status = check_types(inputs[0], inputs[i], i + 1, why);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status copy_string(struct model *out, const struct model *in, uint32_t id, uint32_t *out_id)
{
    return strtab_intern_bytes(&out->strings, strtab_at(&in->strings, id), strtab_len(&in->strings, id), out_id);
}

/* What describes the result comes from the first input that has it. */
static enum status copy_description(struct model *out, const struct model *in)
{
    enum status status = STATUS_OK;
    if (!out->default_sample_type)
        status = copy_string(out, in, in->default_sample_type, &out->default_sample_type);
    if (status == STATUS_OK && !out->doc_url)
        status = copy_string(out, in, in->doc_url, &out->doc_url);
    if (status == STATUS_OK && !out->drop_frames)
        status = copy_string(out, in, in->drop_frames, &out->drop_frames);
    if (status == STATUS_OK && !out->keep_frames)
        status = copy_string(out, in, in->keep_frames, &out->keep_frames);
    return status;
}

static enum status copy_types(struct model *out, const struct model *in)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < in->n_types && status == STATUS_OK; i++)
        status = model_add_type(out, type_text(in, in->types[i].type), type_text(in, in->types[i].unit));
    if (status == STATUS_OK)
        status = model_set_period(out, type_text(in, in->period_type.type), type_text(in, in->period_type.unit), 0);
    return status;
}

/* seen has a byte per string of out, so that many comments cost no more than their number. */
static enum status unite_comments(struct model *out, const struct model *in)
{
    if (!in->comments.n)
        return STATUS_OK;
    char *seen = calloc(strtab_count(&out->strings) + in->comments.n, 1);
    if (!seen)
        return STATUS_NOMEM;
    for (size_t i = 0; i < out->comments.n; i++)
        seen[out->comments.at[i]] = 1;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < in->comments.n && status == STATUS_OK; i++) {
        uint32_t id;
        status = copy_string(out, in, in->comments.at[i], &id);
        if (status == STATUS_OK && !seen[id]) {
            seen[id] = 1;
            status = vec_u32_push(&out->comments, id) ? STATUS_OK : STATUS_NOMEM;
        }
    }
    free(seen);
    return status;
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* A time of 0 is one that was not written. */
static void combine_times(struct model *out, const struct model *in)
{
    if (in->time_nanos && (!out->time_nanos || in->time_nanos < out->time_nanos))
        out->time_nanos = in->time_nanos;
    if (in->period > out->period)
        out->period = in->period;
    int64_t duration = in->duration_nanos < 0 ? 0 : in->duration_nanos;
    out->duration_nanos = add_saturating(out->duration_nanos, duration);
}

enum status merge_head(const struct model *const *inputs, size_t n, struct model *out)
{
    enum status status = copy_types(out, inputs[0]);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        combine_times(out, inputs[i]);
        status = copy_description(out, inputs[i]);
        if (status == STATUS_OK)
            status = unite_comments(out, inputs[i]);
    }
    return status;
}
