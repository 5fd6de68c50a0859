/* A program with a variable of every kind, some made before main. It does what the lines of its stdin say, and answers
 * each with a line:
 *     serve ADDR | int NAME | publish NAME | hang NAME | core | storm | fork | child
 */
#include "work.h"

#include <cprof.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cprof_var *early, *paths;

__attribute__((constructor)) static void before_main(void)
{
    early = cprof_int_new("early");
    cprof_int_add(early, 41);
}

static int object(void *arg, char *json, size_t room)
{
    return snprintf(json, room, "{\"a\":%d,\"b\":\"text\"}", *(int *)arg);
}

/* The program's descriptors are there for its functions. */
static int stdin_is_open(void *arg, char *json, size_t room)
{
    (void)arg;
    return snprintf(json, room, isatty(0) || lseek(0, 0, SEEK_CUR) >= 0 || dup(0) >= 0 ? "1" : "0");
}

static int no_json(void *arg, char *json, size_t room)
{
    (void)arg;
    return snprintf(json, room, "NaN");
}

static int failing(void *arg, char *json, size_t room)
{
    (void)arg, (void)json, (void)room;
    return -1;
}

static int hang(void *arg, char *json, size_t room)
{
    (void)arg, (void)json, (void)room;
    for (;;)
        pause();
    return 0;
}

static void publish_all(void)
{
    static int one = 1;
    struct cprof_var *v = cprof_int_new("int");
    cprof_int_set(v, INT64_MAX);
    cprof_float_set(cprof_float_new("float.one"), 1);
    cprof_float_set(cprof_float_new("float.third"), 0.3);
    cprof_float_set(cprof_float_new("float.big"), 1e21);
    cprof_float_set(cprof_float_new("float.small"), 1e-7);
    cprof_float_set(cprof_float_new("float.nan"), NAN);
    cprof_float_set(cprof_float_new("float.inf"), INFINITY);
    cprof_string_set(cprof_string_new("string"), "\" \\ \n \r \t \x01 < > & \xe2\x80\xa8 \x7f \xc3\xa4 \xff");
    cprof_map_new("map.empty");
    struct cprof_var *map = cprof_map_new("map");
    cprof_map_add(map, "b", 2);
    cprof_map_add(map, "a", 1);
    cprof_map_add_float(map, "b", 0.5); /* of another kind: ignored */
    cprof_map_add_float(map, "c", 0.5);
    cprof_map_set(map, "nil", NULL);
    cprof_map_add(map, "gone", 1);
    cprof_map_delete(map, "gone");
    cprof_map_delete(map, "never");
    struct cprof_var *inner = cprof_int_new(NULL);
    cprof_map_set(map, "inner", inner);
    cprof_int_add(inner, 7);
    cprof_var_free(inner);
    cprof_func_new("func", object, &one);
    cprof_func_new("func.stdin", stdin_is_open, NULL);
    cprof_func_new("func.no_json", no_json, NULL);
    cprof_func_new("func.failing", failing, NULL);
    cprof_int_add(cprof_int_new("\xff<name>"), 1);
    cprof_int_add(early, 1);
    paths = cprof_map_new("paths");
}

static void *work(void *arg)
{
    char key[32];
    (void)arg;
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "/%d", i % 50);
        cprof_map_add(paths, key, 1);
        if (i % 9 == 0)
            cprof_map_delete(paths, key);
        cprof_map_add(paths, "all", 1);
    }
    return NULL;
}

static void storm(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("storm done\n");
}

static void fork_while_adding(void)
{
    pthread_t thread;
    int bad = 0;
    pthread_create(&thread, NULL, work, NULL);
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            char name[32];
            alarm(20);
            snprintf(name, sizeof name, "child%d", i);
            struct cprof_var *v = cprof_int_new(name);
            cprof_int_add(v, 3);
            cprof_map_add(paths, name, 1);
            _exit(cprof_int_value(v) == 3 && !cprof_int_new(name) ? 0 : 1);
        }
        waitpid(child, &status, 0);
        bad += status != 0;
    }
    pthread_join(thread, NULL);
    printf("fork %d\n", bad);
}

/* A child that serves on its own: a worker of a prefork server. It ends when its input does. */
static void serve_in_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        cprof_serve("127.0.0.1:0");
        printf("child http://%s\n", cprof_serve_addr());
        fflush(stdout);
        while (getchar() != EOF)
            ;
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void obey(const char *verb, const char *name)
{
    static char kept[64][100];
    static int n_kept;
    if (strcmp(verb, "serve") == 0) {
        int status = cprof_serve(name);
        printf("serve %d %s%s\n", status, status ? "" : "http://", status ? cprof_last_error() : cprof_serve_addr());
        printf("at http://%s/debug/pprof/\n", cprof_serve_addr() ? cprof_serve_addr() : "");
    } else if (strcmp(verb, "int") == 0) {
        const char *made = cprof_int_new(name) ? "made" : "refused";
        printf("int %s: %s\n", made, strcmp(made, "made") == 0 ? "" : cprof_last_error());
    } else if (strcmp(verb, "publish") == 0) {
        struct cprof_var *v = cprof_string_new(NULL);
        int status = cprof_publish(name, v);
        cprof_var_free(v);
        printf("publish %d: %s\n", status, status ? cprof_last_error() : "");
    } else if (strcmp(verb, "hang") == 0) {
        snprintf(kept[n_kept], sizeof kept[0], "%s", name);
        printf("hang %d\n", cprof_func_new(kept[n_kept++], hang, NULL) != NULL);
    } else if (strcmp(verb, "core") == 0) {
        printf("core %d\n", system("grep -q libcprof_core /proc/$PPID/maps") == 0);
    } else if (strcmp(verb, "storm") == 0) {
        storm();
    } else if (strcmp(verb, "fork") == 0) {
        fork_while_adding();
    } else if (strcmp(verb, "child") == 0) {
        serve_in_child();
    }
}

int main(void)
{
    char line[400], verb[20], name[300];
    publish_all();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        name[0] = '\0';
        if (sscanf(line, "%19s %299s", verb, name) >= 1)
            obey(verb, name);
        fflush(stdout);
    }
    return 0;
}
