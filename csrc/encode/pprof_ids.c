#include "encode/pprof_ids.h"

#include "profile/hash.h"

void pprof_ids_fini(struct pprof_ids *ids)
{
    vec_u64_fini(&ids->id);
    vec_u32_fini(&ids->row);
    rowindex_fini(&ids->by_id);
    *ids = (struct pprof_ids){0};
}

static bool become_sparse(struct pprof_ids *ids)
{
    rowindex_init(&ids->by_id);
    for (size_t i = 0; i < ids->id.n; i++) {
        if (!rowindex_reserve(&ids->by_id))
            return false;
        rowindex_put(&ids->by_id, hash_word(ids->by_id.seed, ids->id.at[i]), (uint32_t)i);
    }
    ids->sparse = true;
    return true;
}

enum status pprof_ids_add(struct pprof_ids *ids, uint64_t id, uint32_t row)
{
    uint32_t found;
    if (pprof_ids_find(ids, id, &found))
        return STATUS_INVALID;
    if (ids->id.n >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!ids->sparse && id != ids->id.n + 1 && !become_sparse(ids))
        return STATUS_NOMEM;
    if (!vec_u64_reserve(&ids->id, 1) || !vec_u32_reserve(&ids->row, 1))
        return STATUS_NOMEM;
    if (ids->sparse) {
        if (!rowindex_reserve(&ids->by_id))
            return STATUS_NOMEM;
        rowindex_put(&ids->by_id, hash_word(ids->by_id.seed, id), (uint32_t)ids->id.n);
    }
    vec_u64_push(&ids->id, id);
    vec_u32_push(&ids->row, row);
    return STATUS_OK;
}

bool pprof_ids_find(const struct pprof_ids *ids, uint64_t id, uint32_t *row)
{
    if (id - 1 < ids->id.n && ids->id.at[id - 1] == id) {
        *row = ids->row.at[id - 1];
        return true;
    }
    if (!ids->sparse)
        return false;
    struct rowindex_probe probe = rowindex_start(hash_word(ids->by_id.seed, id));
    uint32_t at;
    while (rowindex_next(&ids->by_id, &probe, &at)) {
        if (ids->id.at[at] == id) {
            *row = ids->row.at[at];
            return true;
        }
    }
    return false;
}
