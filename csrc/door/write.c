/*
 * cprof_write: the process that names the dump of a program that `cprof run` started, when that program ends, and
 * writes its profile. Descriptors 3 and 4 are the dump and the file; arguments: "write" or "add", the link to the
 * program's file, the name of the output for messages.
 */
#include "api/core_table.h"
#include "base/say.h"

#include <stdlib.h>
#include <string.h>

#define DUMP   3
#define OUTPUT 4

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *log = getenv("CPROF_LOG");
    say_remember(log);
    const struct cprof_core *core = cprof_core_table(CPROF_CORE_ABI);
    if (!core) {
        say("no profile in ", argv[3], ": " CPROF_CORE_NAME " is of another version", NULL);
        return 1;
    }
    if (core->write_dump(DUMP, OUTPUT, strcmp(argv[1], "add") == 0, argv[2]) < 0) {
        say("no profile in ", argv[3], ": ", core->last_error(), NULL);
        return 1;
    }
    return 0;
}
