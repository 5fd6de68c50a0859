/* A program that opens, closes and hands on its own server as the lines of its stdin say, and tells what it got:
 *     serve ADDR | close | where | fork | exec | exit
 */
#include "work.h"

#include <cprof.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void where(void)
{
    const char *at = cprof_serve_addr();
    printf("at %s\n", at ? at : "none");
}

/* A child that ends by itself, as after daemon() or in a pool. */
static void child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        where();
        fflush(stdout);
        exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    printf("child %d\n", status);
}

int main(int argc, char **argv)
{
    char line[400];
    printf("started %d\n", argc);
    where();
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "serve ", 6) == 0)
            printf("serve %d\n", cprof_serve(line + 6));
        else if (strcmp(line, "close") == 0)
            printf("close %d\n", cprof_close());
        else if (strcmp(line, "fork") == 0)
            child();
        else if (strcmp(line, "exec") == 0)
            execl("/proc/self/exe", argv[0], "again", NULL);
        else if (strcmp(line, "exit") == 0)
            exit(0);
        where();
        fflush(stdout);
    }
    return 0;
}
