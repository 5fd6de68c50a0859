/*
 * The analyst's half of the core as one table, for cprof._core: the core exports only cprof_* names, and
 * everything behind this one function stays hidden. The structs are shared by inclusion, so whoever asks
 * must have been compiled with the same abi number. Ordinary threads; no call here needs the GIL or a lock.
 */
#ifndef CPROF_API_ANALYSIS_H
#define CPROF_API_ANALYSIS_H

#include "base/buf.h"
#include "encode/pprof.h"
#include "profile/merge.h"
#include "profile/model.h"

/* Changes whenever this table, struct model, struct buf, struct reason or enum status does. */
#define CPROF_ANALYSIS_ABI 1u

struct cprof_analysis {
    enum status (*pprof_read)(const void *bytes, size_t n, struct model *m, struct reason *why);
    enum status (*pprof_write)(const struct model *m, struct buf *out, struct reason *why);
    enum status (*merge_models)(const struct model *const *inputs, const double *scales, size_t n, struct model *out,
                                struct reason *why);
    void (*model_fini)(struct model *m);
    void (*buf_fini)(struct buf *b);
    size_t (*strtab_count)(const struct strtab *t);
    const char *(*strtab_at)(const struct strtab *t, uint32_t id);
    size_t (*strtab_len)(const struct strtab *t, uint32_t id);
    const char *(*status_text)(enum status code);
};

/* NULL when abi is not CPROF_ANALYSIS_ABI of this core. */
__attribute__((visibility("default"))) const struct cprof_analysis *cprof_analysis_table(uint32_t abi);

#endif
