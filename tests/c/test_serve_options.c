/* api/serve_options: a program and a core of different versions understand each other, or say that they do not. */
#include "api/serve_options.h"
#include "check.h"

#include <stdint.h>

struct longer {
    struct cprof_serve_options known;
    void *later;
};

static void check(const void *given, enum status want, const char *part)
{
    struct cprof_serve_options out;
    struct reason why = {0};
    CHECK_INT(serve_options_read(given, &out, &why), want);
    CHECK(strstr(why.text, part));
}

int main(void)
{
    struct cprof_serve_options out, o = {.size = sizeof o, .addr = "1", .allow_remote = 1, .allow_host = "a"};
    CHECK_INT(serve_options_read(NULL, &out, NULL), STATUS_OK);
    CHECK(!out.addr && !out.allow_remote && !out.token && !out.allow_host);
    CHECK_INT(serve_options_read(&o, &out, NULL), STATUS_OK);
    CHECK(strcmp(out.addr, "1") == 0 && out.allow_remote == 1 && strcmp(out.allow_host, "a") == 0);

    /* what an older program does not know of is not read */
    o.size = offsetof(struct cprof_serve_options, allow_host);
    CHECK_INT(serve_options_read(&o, &out, NULL), STATUS_OK);
    CHECK(out.allow_remote == 1 && !out.allow_host);

    /* what a newer one knows of may be left alone, but not asked for: it could be what keeps people out */
    struct longer l = {.known = {.size = sizeof l, .addr = "1"}};
    check(&l, STATUS_OK, "");
    l.later = &l;
    check(&l, STATUS_INVALID, "this version of cprof does not have");

    o.size = 0;
    check(&o, STATUS_INVALID, "size is 0");
    o.size = sizeof o.size - 1;
    check(&o, STATUS_INVALID, "sizeof(struct cprof_serve_options)");
    o.size = SIZE_MAX;
    check(&o, STATUS_INVALID, "size is");
    return check_done();
}
