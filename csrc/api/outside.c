#include "api/outside.h"

#include "http/server.h"

static const char *unless_empty(const char *text)
{
    return text && *text ? text : NULL;
}

enum status outside_serve(const struct cprof_outside *wanted, const char *address, struct reason *why)
{
    struct policy_wish wish = {.token_file = unless_empty(wanted->token_file), .allow_host = wanted->allow_host};
    enum status status = policy_read_remote(wanted->allow_remote, &wish, why);
    return status ? status : server_start_with(SERVER_OUTSIDE, address, &wish, why);
}
