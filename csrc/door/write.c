/*
 * cprof_write: the process that names the dump of a program that `cprof run` started, when that program ends, and
 * writes its profile. Descriptors 3 and 4 are the dump and the file; arguments: "write" or "add", and the link to the
 * program's file. What goes wrong is told on descriptor 2, for the program's own process to pass on.
 */
#include "api/core_table.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DUMP   3
#define OUTPUT 4

/* Nobody is left who would end it, should a disk not answer, or nobody read the pipe that it writes to. */
#define LIFE_S 600

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    signal(SIGALRM, SIG_DFL);
    alarm(LIFE_S);
    const struct cprof_core *core = cprof_core_table(CPROF_CORE_ABI);
    const char *why = NULL;
    if (!core)
        why = CPROF_CORE_NAME " is of another version";
    else if (core->write_dump(DUMP, OUTPUT, strcmp(argv[1], "add") == 0, argv[2]) < 0)
        why = core->last_error();
    if (why)
        fputs(why, stderr);
    return why != NULL;
}
