/* Becomes argv[1], as `cprof run` does: with the process id in the environment where the rest of what the stub wants
 * is. It stands in for the command, whose own start is not the program's time. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char id[32];
    snprintf(id, sizeof id, "%d", getpid());
    if (argc < 2 || (getenv("CPROF_RUN_FOLLOW") && setenv("CPROF_RUN_PID", id, 1) != 0))
        return 2;
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
