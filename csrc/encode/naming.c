#include "encode/naming.h"

static size_t no_frames(void *self, uint64_t address, struct named_frame out[NAMER_MAX_INLINE])
{
    (void)self, (void)address, (void)out;
    return 0;
}

enum status naming_open(struct naming *n, const struct process *process, enum naming_names names, struct reason *why)
{
    enum status status = maps_read(process, &n->maps, why);
    if (status)
        return status;
    status = symbols_open(&n->symbols, process, why);
    if (status) {
        maps_fini(&n->maps);
        return status;
    }
    n->namer = symbols_namer(n->symbols);
    if (names == NAMING_WITHOUT)
        n->namer.frames = no_frames;
    return STATUS_OK;
}

void naming_close(struct naming *n)
{
    symbols_close(n->symbols);
    maps_fini(&n->maps);
}
