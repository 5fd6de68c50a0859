/*
 * A host that has functions named like those of cprof's dependencies, and exports them: none of them may be called by
 * anybody but the host. Linked with -rdynamic.
 */
#include <stdint.h>

#include "host.h"

#define THEIRS(name)                                                                                                   \
    int name(void);                                                                                                    \
    int name(void)                                                                                                     \
    {                                                                                                                  \
        static const char said[] = "the host's " #name " was called\n";                                                \
        if (write(STDERR_FILENO, said, sizeof said - 1) < 0)                                                           \
            _exit(4);                                                                                                  \
        abort();                                                                                                       \
    }

/* zlib */
THEIRS(crc32)
THEIRS(crc32_z)
THEIRS(adler32)
THEIRS(inflate)
THEIRS(inflateInit2_)
THEIRS(deflate)
THEIRS(deflateInit2_)
THEIRS(deflateEnd)
THEIRS(deflateBound)
THEIRS(compressBound)
/* libevent */
THEIRS(event_base_new)
THEIRS(event_new)
THEIRS(event_add)
THEIRS(event_assign)
THEIRS(event_base_loop)
THEIRS(evhttp_new)
THEIRS(evhttp_send_reply)
THEIRS(evbuffer_new)
THEIRS(evbuffer_add)
/* libunwind and libgcc_s */
THEIRS(unw_step)
THEIRS(_ULx86_64_step)
THEIRS(_Unwind_Backtrace)
THEIRS(_Unwind_Find_FDE)
/* libelf, libdw and what they use */
THEIRS(elf_begin)
THEIRS(elf_memory)
THEIRS(elf_version)
THEIRS(elf_end)
THEIRS(gelf_getehdr)
THEIRS(dwfl_begin)
THEIRS(dwarf_begin)
THEIRS(dwarf_begin_elf)
THEIRS(dwarf_getsrc_die)
THEIRS(dwarf_getsrclines)
THEIRS(dwarf_addrdie)
THEIRS(lzma_stream_decoder)
THEIRS(BZ2_bzDecompressInit)
/* libiberty */
THEIRS(cplus_demangle)
THEIRS(cplus_demangle_v3)
THEIRS(xmalloc)
THEIRS(hex_init)
/* protobuf-c */
THEIRS(protobuf_c_message_pack)
THEIRS(protobuf_c_message_unpack)
THEIRS(protobuf_c_message_get_packed_size)
/* names that are ours inside */
THEIRS(ring_put)
THEIRS(status_text)
THEIRS(lock_acquire)
THEIRS(tick)
THEIRS(cwalk)
THEIRS(log_line)
THEIRS(say)

static void named_like_dependencies(void)
{
    for (int i = 0; i < 2; i++) {
        host_sample();
        host_burn(0.1);
        host_stop();
    }
    printf("the host's own functions were called by nobody\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"named", named_like_dependencies},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
