/* Pages that do what a program's functions may do to the thread they run on, and cprof's pages on a thread with a small
 * stack. Lines of stdin: end (the program's other thread) | small TARGET | leave TARGET */
#include "work.h"

#include <cprof.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL_STACK 32768

static _Atomic int may_end;
static char *guarded;

static void unguard(int sig)
{
    (void)sig;
    mprotect(guarded, 1, PROT_READ | PROT_WRITE);
}

static int faults(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)arg;
    *(volatile char *)guarded = 'a';
    cprof_http_write(res, guarded, 1);
    return 200;
}

static int ends(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    pthread_exit(NULL);
}

static int has_body(const struct cprof_http_request *req, struct cprof_http_response *res, void *code)
{
    (void)req;
    cprof_http_write(res, "HTTP/1.1 200 OK\r\n", 17);
    return atoi(code);
}

static int cmdline(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)arg;
    return cprof_http_handle_profile("cmdline", req, res) ? 500 : res->status;
}

static int gives_back(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg)
{
    (void)req, (void)arg;
    cprof_http_response_free(res);
    return cprof_http_write(res, "still", 5) == 0 ? 200 : 500;
}

/* The other way round: what a page may do to its response nobody may do to an answer. */
static int keeps_an_answer(void)
{
    const struct cprof_http_request req = {.size = sizeof req, .method = "GET", .target = "/debug/pprof/cmdline"};
    struct cprof_http_response res = {.size = sizeof res};
    int refused = cprof_http_handle(&req, &res) == 0 && cprof_http_set(&res, "X-Late", "1") == CPROF_ERR_INVALID &&
                  cprof_http_write(&res, "late", 4) == CPROF_ERR_INVALID;
    cprof_http_response_free(&res);
    cprof_http_response_free(&res);
    return refused;
}

static int has_left(void *asked)
{
    return ++*(int *)asked == 2;
}

static void ask_and_leave(const char *target)
{
    int asked = 0;
    const struct cprof_http_request req = {
        .size = sizeof req, .method = "GET", .target = target, .gone = has_left, .arg = &asked};
    struct cprof_http_response res = {.size = sizeof res};
    int status = cprof_http_handle(&req, &res);
    printf("left %d %d\n", status == CPROF_ERR_NOT_RUNNING, asked);
    cprof_http_response_free(&res);
}

static void *wait_to_end(void *nothing)
{
    while (!may_end)
        usleep(1000);
    return nothing;
}

static void *ask(void *target)
{
    const struct cprof_http_request req = {.size = sizeof req, .method = "GET", .target = target};
    struct cprof_http_response res = {.size = sizeof res};
    int status = cprof_http_handle(&req, &res);
    printf("small %d\n", status ? status : res.status);
    cprof_http_response_free(&res);
    return NULL;
}

static void ask_with_small_stack(char *target)
{
    pthread_t t;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, SMALL_STACK);
    if (pthread_create(&t, &attr, ask, target) == 0)
        pthread_join(t, NULL);
    pthread_attr_destroy(&attr);
}

int main(void)
{
    char line[400];
    pthread_t other;
    guarded = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, unguard);
    pthread_create(&other, NULL, wait_to_end, NULL);
    cprof_route("/faults", faults, NULL);
    cprof_route("/ends", ends, NULL);
    cprof_route("/204", has_body, "204");
    cprof_route("/304", has_body, "304");
    cprof_route("/cmdline", cmdline, NULL);
    cprof_route("/gives-back", gives_back, NULL);
    printf("answer kept %d\n", keeps_an_answer());
    cprof_serve("127.0.0.1:0");
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "end") == 0) {
            may_end = 1;
            pthread_join(other, NULL);
            printf("main goes on\n");
        } else if (strncmp(line, "small ", 6) == 0) {
            ask_with_small_stack(line + 6);
        } else if (strncmp(line, "leave ", 6) == 0) {
            ask_and_leave(line + 6);
        }
        fflush(stdout);
    }
    return 7;
}
