#include "http/routes.h"

void vars_serve(struct exchange *ex)
{
    buf_puts(&ex->out, "{\n\n}\n");
    exchange_reply(ex, 200, "application/json; charset=utf-8");
}

void metrics_serve(struct exchange *ex)
{
    buf_puts(&ex->out, "# EOF\n");
    exchange_reply(ex, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}
