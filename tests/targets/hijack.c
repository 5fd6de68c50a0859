/* A host that has functions named like those of our dependencies. Ours must not call them. */
#include <cprof.h>
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

#define TAKEN(name)                                                                                                    \
    __attribute__((visibility("default"))) void name(void);                                                            \
    void name(void)                                                                                                    \
    {                                                                                                                  \
        fputs("the host's " #name " was called\n", stderr);                                                            \
        abort();                                                                                                       \
    }

TAKEN(crc32)
TAKEN(deflate)
TAKEN(deflateInit2_)
TAKEN(adler32)
TAKEN(event_base_new)
TAKEN(event_base_loop)
TAKEN(event_err)
TAKEN(evhttp_new)
TAKEN(evbuffer_new)
TAKEN(protobuf_c_message_pack)
TAKEN(cplus_demangle)
TAKEN(unw_step)

int main(void)
{
    if (cprof_serve("127.0.0.1:0") != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return cprof_close() == 0 ? 0 : 1;
}
