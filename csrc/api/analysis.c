#include "api/analysis.h"

static const struct cprof_analysis analysis = {
    .pprof_read = pprof_read,
    .pprof_write = pprof_write,
    .merge_models = merge_models,
    .model_fini = model_fini,
    .buf_fini = buf_fini,
    .strtab_count = strtab_count,
    .strtab_at = strtab_at,
    .strtab_len = strtab_len,
    .status_text = status_text,
};

const struct cprof_analysis *cprof_analysis_table(uint32_t abi)
{
    return abi == CPROF_ANALYSIS_ABI ? &analysis : NULL;
}
