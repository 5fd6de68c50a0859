/* A program that opens, closes and hands on its own server as the lines of its stdin say, and tells what it got:
 *     serve ADDR | with addr=ADDR allow_remote=1 token=... | close | where | fork | exec | exit
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

static const char *value_of(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static int serve_with(char *words)
{
    struct cprof_serve_options o = {.size = sizeof o};
    const char *v;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        if ((v = value_of(word, "addr")))
            o.addr = v;
        else if ((v = value_of(word, "allow_remote")))
            o.allow_remote = atoi(v);
        else if ((v = value_of(word, "without_token")))
            o.without_token = atoi(v);
        else if ((v = value_of(word, "token")))
            o.token = v;
        else if ((v = value_of(word, "token_file")))
            o.token_file = v;
        else if ((v = value_of(word, "allow_host")))
            o.allow_host = v;
    }
    return cprof_serve_with(&o);
}

static void tell(const char *what, int status)
{
    printf("%s %d %s\n", what, status, status < 0 ? cprof_last_error() : "");
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
        else if (strncmp(line, "with ", 5) == 0)
            tell("with", serve_with(line + 5));
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
