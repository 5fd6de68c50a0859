#include "encode/naming.h"

enum status naming_open(struct naming *n, const struct process *process, struct reason *why)
{
    enum status status = maps_read(process, &n->maps, why);
    if (status)
        return status;
    status = symbols_open(&n->symbols, process, why);
    if (status)
        maps_fini(&n->maps);
    else
        n->namer = symbols_namer(n->symbols);
    return status;
}

void naming_close(struct naming *n)
{
    symbols_close(n->symbols);
    maps_fini(&n->maps);
}
