#include "symbol/taken.h"

#include "base/definition.h"

#include <stddef.h>
#include <string.h>

static const char *taken;

/* Not those of zlib and its like: programs that export them have the same ones, and libelf wants them for compressed
 * sections only. */
static bool is_of_those_libraries(const char *name)
{
    static const char *const beginnings[] = {"dwfl_", "dwarf_", "dwelf_", "elf", "gelf_"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* Under the loader's lock, like every constructor of a library that is opened. */
__attribute__((constructor)) static void find_taken(void)
{
    static const char *const wanting[] = {"libcprof_core", "cprof_write", "libdw.so", "libelf.so"};
    static const char *const owners[] = {"libdw.so", "libdw-",     "libelf.so", "libelf-",
                                         "libz.so",  "liblzma.so", "libbz2.so", NULL};
    for (size_t i = 0; i < sizeof wanting / sizeof *wanting && !taken; i++)
        taken = definition_taken(wanting[i], is_of_those_libraries, owners);
}

const char *taken_function(void)
{
    return taken;
}
