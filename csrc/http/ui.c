#include "http/routes.h"

void ui_serve(struct exchange *ex, const char *name, size_t n)
{
    (void)name, (void)n;
    exchange_error(ex, 404, "Unknown profile");
}
