#include "api/serve_options.h"

#include <string.h>

#define SIZE_MOST 4096 /* beyond it is no struct of any version */

enum status serve_options_read(const struct cprof_serve_options *given, struct cprof_serve_options *out,
                               struct reason *why)
{
    *out = (struct cprof_serve_options){.size = sizeof *out};
    if (!given)
        return STATUS_OK;
    if (given->size < sizeof given->size || given->size > SIZE_MOST)
        return status_because(why, STATUS_INVALID, "size is %zu: want sizeof(struct cprof_serve_options)", given->size);
    const char *bytes = (const char *)given;
    for (size_t i = sizeof *out; i < given->size; i++)
        if (bytes[i])
            return status_because(why, STATUS_INVALID, "an option is set that this version of cprof does not have");
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return STATUS_OK;
}
