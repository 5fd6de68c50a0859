/* Hosts that know which numbers their descriptors have: POSIX promises the lowest that is free. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "host.h"

#define STORM_S       1.5
#define IDLE_THREADS  600 /* the more there are, the longer it takes to find them */
#define MANY          64
#define OWN           16
#define LOOKS         100
#define SMALL_TABLE   24
#define LOWEST_OPENED 3
#define LAST_CLOSED   1023
#define CONNECTIONS   20

static const char host_data[] = "the host's own data, which nobody else may change";

static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;

static void *idle(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&never);
    pthread_mutex_unlock(&never);
    return NULL;
}

static void start_idle_threads(void)
{
    pthread_mutex_lock(&never);
    for (int i = 0; i < IDLE_THREADS; i++)
        pthread_detach(host_thread(idle, NULL));
}

/* How many is chance, and differs between two runs: said is only whether there were any. */
static void say(const char *what, long failed, long tried)
{
    printf("%s: %s\n", what, failed ? "not always" : "always");
    fprintf(stderr, "%s: %ld of %ld failed\n", what, failed, tried);
}

/* A daemon that gives itself a new stdin. */
static void reopen_stdin(long *failed, long *tried)
{
    close(STDIN_FILENO);
    int fd = open("/dev/null", O_RDONLY);
    ++*tried;
    if (fd != STDIN_FILENO) {
        ++*failed;
        dup2(fd, STDIN_FILENO);
        close(fd);
    }
}

static void zero_is_free(void)
{
    long failed = 0, tried = 0;
    start_idle_threads();
    host_sample();
    for (double end = host_storm_end(STORM_S); host_now() < end;)
        reopen_stdin(&failed, &tried);
    host_stop();
    say("close(0), then open() gives 0", failed, tried);
}

static _Atomic bool end_recordings;

static void *record_again_and_again(void *output)
{
    while (!end_recordings) {
        host_expect("cprof_cpu_start", cprof_cpu_start(*(int *)output, HOST_HZ), CPROF_OK);
        host_burn(0.01);
        host_expect("cprof_cpu_stop", cprof_cpu_stop(), CPROF_OK);
    }
    return NULL;
}

/* Writing a profile reads many files. */
static void zero_is_free_while_profiles_are_written(void)
{
    long failed = 0, tried = 0;
    pthread_t recorder = 0;
    int output = open("/dev/null", O_WRONLY);
    host_sample(); /* from here on the core is loaded: the loader itself opens files */
    host_stop();
    if (host_sampled)
        recorder = host_thread(record_again_and_again, &output);
    for (double end = host_storm_end(STORM_S); host_now() < end;)
        reopen_stdin(&failed, &tried);
    end_recordings = true;
    if (host_sampled)
        pthread_join(recorder, NULL);
    say("close(0), then open() gives 0", failed, tried);
}

/* Closes what it does not know, as daemons do, and opens files of its own: then another may close one of them. */
static void open_own(int *own)
{
    for (int fd = LOWEST_OPENED; fd < LOWEST_OPENED + OWN; fd++)
        close(fd);
    for (int i = 0; i < OWN; i++)
        own[i] = open("/dev/null", O_RDONLY);
}

static long count_closed(const int *own)
{
    long closed = 0;
    struct stat st;
    for (int i = 0; i < OWN; i++)
        closed += fstat(own[i], &st) != 0;
    return closed;
}

/* A number that is missing among its own is somebody's: closed the next time, and then watched for longer. */
static void own_files_stay_open(void)
{
    long failed = 0, tried = 0;
    int own[OWN];
    bool met = false;
    start_idle_threads();
    host_sample();
    for (double end = host_storm_end(STORM_S); host_now() < end; tried++) {
        open_own(own);
        for (int i = 0; i < (met ? LOOKS : 1); i++)
            failed += count_closed(own);
        met = own[OWN - 1] != LOWEST_OPENED + OWN - 1;
        if (met)
            close(own[OWN - 1]);
    }
    host_stop();
    say("files stay open until the host closes them", failed, tried);
}

/* The open descriptors from LOWEST_OPENED on. */
static int list_descriptors(int *fds)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && n < MANY && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd >= LOWEST_OPENED && fd != dirfd(d))
            fds[n++] = fd;
    }
    if (d)
        closedir(d);
    return n;
}

static bool is_intact(int fd, const struct stat *was)
{
    char data[sizeof host_data] = "";
    struct stat is;
    return fstat(fd, &is) == 0 && is.st_ino == was->st_ino && is.st_size == was->st_size &&
           pread(fd, data, sizeof data, 0) == sizeof data && memcmp(data, host_data, sizeof data) == 0;
}

/* The host closes what it does not know, and gives each number to a file of its own. */
static void numbers_are_taken(void)
{
    int taken[MANY], n = 0, mine = host_file("host.data");
    struct stat was;
    if (write(mine, host_data, sizeof host_data) < 0 || fstat(mine, &was) != 0)
        perror("host.data");
    host_sample();
    int all = list_descriptors(taken);
    for (int i = 0; i < all; i++) {
        if (taken[i] != mine && dup2(mine, taken[i]) >= 0)
            taken[n++] = taken[i];
    }
    host_burn(0.15);
    if (host_sampled) {
        host_expect("a descriptor of the recording was found", n > 0, true);
        host_expect("cprof_cpu_stop failed", cprof_cpu_stop() < 0, true);
        host_expect("there is a reason", cprof_last_error()[0] != '\0', true);
    }
    for (int i = 0; i < n; i++)
        if (!is_intact(taken[i], &was))
            printf("descriptor %d was closed or written\n", taken[i]);
    printf("the host's file is %s\n", is_intact(mine, &was) ? "intact" : "changed");
    host_sample();
    host_stop();
}

static _Atomic bool end_churn;

static void *open_and_close(void *arg)
{
    (void)arg;
    while (!end_churn) {
        int fds[8];
        for (int i = 0; i < 8; i++)
            fds[i] = open("/dev/null", O_RDONLY);
        for (int i = 0; i < 8; i++)
            if (fds[i] >= 0)
                close(fds[i]);
    }
    return NULL;
}

/* Near its limit, with other threads that take and leave the last ones: each call may find one or not. */
static void table_is_full(void)
{
    struct rlimit small = {SMALL_TABLE, SMALL_TABLE};
    pthread_t churn[2];
    if (host_sampled)
        cprof_set_cpu_hz(0);
    setrlimit(RLIMIT_NOFILE, &small);
    for (int i = 0; i < 7; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            perror("/dev/null");
    for (int i = 0; i < 2; i++)
        churn[i] = host_thread(open_and_close, NULL);
    double end = host_storm_end(STORM_S);
    while (host_sampled && host_now() < end)
        if (cprof_serve("127.0.0.1:0") == CPROF_OK)
            host_expect("cprof_close", cprof_close(), CPROF_OK);
    end_churn = true;
    for (int i = 0; i < 2; i++)
        pthread_join(churn[i], NULL);
    printf("alive\n");
}

/* The server of a linked host; others have one from outside, or none. */
static void sample_and_serve(void)
{
    host_sample();
    if (host_sampled && HOST_CALLS)
        host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
}

static int listen_somewhere(struct sockaddr_in *at)
{
    socklen_t n = sizeof *at;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(s, (struct sockaddr *)at, n) != 0 || listen(s, CONNECTIONS) != 0 ||
        getsockname(s, (struct sockaddr *)at, &n))
        perror("listen");
    return s;
}

static void *connect_again_and_again(void *arg)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(s, arg, sizeof(struct sockaddr_in)) != 0 || send(s, "hello", 5, MSG_NOSIGNAL) != 5)
            perror("connect");
        shutdown(s, SHUT_WR);
        for (char c; read(s, &c, 1) > 0;)
            ;
        close(s);
    }
    return NULL;
}

/* An accept loop of another owner would take them away. */
static void print_arrivals(int listener, struct sockaddr_in *at)
{
    int arrived = 0;
    struct timeval patience = {.tv_sec = HOST_GIVE_UP_S};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    pthread_t client = host_thread(connect_again_and_again, at);
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[8] = "";
        int s = accept(listener, NULL, NULL);
        if (s < 0)
            break;
        arrived += read(s, text, sizeof text) == 5 && strcmp(text, "hello") == 0;
        close(s);
        host_burn(0.005);
    }
    pthread_join(client, NULL);
    printf("%d of %d connections arrived\n", arrived, CONNECTIONS);
}

/* What daemons do at their start. */
static void everything_is_closed(void)
{
    struct sockaddr_in at;
    sample_and_serve();
    for (int fd = LOWEST_OPENED; fd <= LAST_CLOSED; fd++)
        close(fd);
    int listener = listen_somewhere(&at);
    printf("the listener is %d\n", listener);
    print_arrivals(listener, &at);
    if (host_sampled && HOST_CALLS)
        cprof_close(); /* what was its descriptors' number may be this host's now */
    print_arrivals(listener, &at);
}

/* The same by one call, beyond all that is open. */
static void the_range_is_closed(void)
{
    struct sockaddr_in at;
    sample_and_serve();
    printf("close_range: %d\n", close_range(LOWEST_OPENED, ~0U, 0));
    int listener = listen_somewhere(&at);
    printf("the listener is %d\n", listener);
    print_arrivals(listener, &at);
}

/* Each number that is open and not its own becomes the host's listener. */
static void listener_takes_all_numbers(void)
{
    struct sockaddr_in at;
    int fds[MANY];
    sample_and_serve();
    int n = list_descriptors(fds);
    int listener = listen_somewhere(&at);
    for (int i = 0; i < n; i++)
        if (fds[i] != listener && dup2(listener, fds[i]) != fds[i])
            perror("dup2");
    print_arrivals(listener, &at);
    struct stat was, is;
    fstat(listener, &was);
    for (int i = 0; i < n; i++)
        if (fstat(fds[i], &is) != 0 || is.st_ino != was.st_ino)
            printf("a copy of the listener is gone\n");
    printf("all copies are still there\n");
}

/* 0, 1 and 2 are closed when it starts: what opens a file first must not become its standard output. */
static void standard_ones_are_closed(void)
{
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    sample_and_serve();
    host_burn(0.1);
    int first = open("/dev/null", O_RDWR), second = open("/dev/null", O_RDWR), third = open("/dev/null", O_RDWR);
    host_burn(0.1);
    dup2(out, STDOUT_FILENO);
    host_stop();
    printf("opened %d %d %d\n", first, second, third);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"zero", zero_is_free},
        {"zero_written", zero_is_free_while_profiles_are_written},
        {"own", own_files_stay_open},
        {"taken", numbers_are_taken},
        {"full", table_is_full},
        {"closed", everything_is_closed},
        {"closed_range", the_range_is_closed},
        {"dup2", listener_takes_all_numbers},
        {"standard", standard_ones_are_closed},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
