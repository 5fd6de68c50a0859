#include "encode/cmdline.h"

#include "http/routes.h"

void cmdline_serve(struct exchange *ex)
{
    struct reason why = {0};
    if (cmdline_put(&ex->out, &why))
        exchange_error(ex, 500, "%s", why.text);
    else
        exchange_reply(ex, 200, "text/plain; charset=utf-8");
}
