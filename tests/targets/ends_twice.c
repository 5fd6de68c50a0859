/* One thread crashes, and once that is being seen to, with all signals blocked, another calls _exit(0). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic pid_t crashing;
static int *volatile nowhere;

static bool blocks_sigterm(pid_t tid)
{
    char path[64], line[256];
    unsigned long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "SigBlk: %lx", &blocked);
    if (f)
        fclose(f);
    return blocked & 1ul << 14;
}

static void *crash(void *unused)
{
    crashing = gettid();
    *nowhere = 1;
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, crash, NULL);
    while (!crashing || !blocks_sigterm(crashing))
        usleep(1000);
    usleep(1000);
    _exit(0);
}
