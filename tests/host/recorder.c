/* A plugin that links cprof; the host (reopened.c) does not know of it. */
#include <cprof.h>

int recorder_start(int fd);
int recorder_stop(void);

int recorder_start(int fd)
{
    int status = cprof_cpu_start(fd, 1000);
    return status == CPROF_OK ? cprof_serve("127.0.0.1:0") : status;
}

int recorder_stop(void)
{
    int status = cprof_cpu_stop();
    return status == CPROF_OK ? cprof_close() : status;
}
