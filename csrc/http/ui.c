#include "http/routes.h"

void ui_serve(struct exchange *ex, const struct buf *name)
{
    (void)name;
    exchange_error(ex, 404, "Unknown profile");
}
