/*
 * Reads whatever it is given; what reads is written and read again and must be the same profile in counts,
 * and survive a diff with itself, which leaves no sample. Violations abort, for the fuzzer to keep the input.
 */
#include "encode/pprof.h"
#include "profile/merge.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(int holds)
{
    if (!holds)
        abort();
}

static int same_counts(const struct model *a, const struct model *b)
{
    return a->n_types == b->n_types && a->n_samples == b->n_samples && a->n_locations == b->n_locations &&
           a->n_functions == b->n_functions && a->n_mappings == b->n_mappings && a->stack.n == b->stack.n &&
           a->line_function.n == b->line_function.n && a->label_key.n == b->label_key.n &&
           a->comments.n == b->comments.n && strtab_count(&a->strings) == strtab_count(&b->strings);
}

static void round_trip(const struct model *m)
{
    struct buf out = {0};
    struct model back;
    demand(pprof_write(m, &out, NULL) == STATUS_OK);
    demand(pprof_read(out.data, out.len, &back, NULL) == STATUS_OK);
    demand(same_counts(m, &back));
    model_fini(&back);
    buf_fini(&out);
}

static void diff_with_itself(const struct model *m)
{
    const struct model *const twice[] = {m, m};
    static const double scales[] = {1, -1};
    struct model diff;
    demand(merge_models(twice, scales, 2, &diff, NULL) == STATUS_OK);
    /* INT64_MIN has no opposite, so it may leave -1. */
    for (size_t i = 0; i < diff.values.n; i++)
        demand(diff.values.at[i] == 0 || diff.values.at[i] == -1);
    model_fini(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct model m;
    struct reason why = {""};
    enum status status = pprof_read(bytes, n, &m, &why);
    if (status != STATUS_OK) {
        demand(status == STATUS_NOMEM || why.text[0]);
        return 0;
    }
    round_trip(&m);
    diff_with_itself(&m);
    model_fini(&m);
    return 0;
}
