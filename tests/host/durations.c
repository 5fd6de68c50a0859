/*
 * A host with a thread in each kind of wait: each lasts as long as it should and returns what it returns bare. All wait
 * at the same time, each after it has been found and had its ticks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "host.h"

#define WAIT_MS    300
#define WAIT_NS    (WAIT_MS * 1000000L)
#define TOO_LONG_S 30    /* a loaded machine is late, but not so much */
#define EARLY_S    0.002 /* timeouts in milliseconds and in jiffies count from the last tick of a clock */

static const struct timespec wait_time = {.tv_nsec = WAIT_NS};
static const struct timeval wait_timeval = {.tv_usec = WAIT_MS * 1000};

static struct timespec at_end(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += WAIT_NS;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

/* What has no errno of its own gives it as its result. */
static int negative(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static int by_nanosleep(void)
{
    struct timespec left = {7, 7};
    int result = nanosleep(&wait_time, &left);
    return left.tv_sec == 7 ? result : -2;
}

static int by_clock_nanosleep(void)
{
    struct timespec t = at_end(CLOCK_MONOTONIC);
    return negative(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
}

static int by_clock_nanosleep_relative(void)
{
    return negative(clock_nanosleep(CLOCK_REALTIME, 0, &wait_time, NULL));
}

static int by_usleep(void)
{
    return usleep(WAIT_MS * 1000);
}

static int by_sleep(void)
{
    return (int)sleep(1);
}

static int by_poll(void)
{
    return poll(NULL, 0, WAIT_MS);
}

static int by_ppoll(void)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return ppoll(NULL, 0, &wait_time, &mask);
}

static int by_select(void)
{
    struct timeval t = wait_timeval;
    int result = select(0, NULL, NULL, NULL, &t);
    return t.tv_sec || t.tv_usec ? -2 : result;
}

static int by_pselect(void)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return pselect(0, NULL, NULL, NULL, &wait_time, &mask);
}

static int by_epoll_wait(void)
{
    struct epoll_event event;
    return epoll_wait(epoll_create1(EPOLL_CLOEXEC), &event, 1, WAIT_MS);
}

static int by_epoll_pwait(void)
{
    struct epoll_event event;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return epoll_pwait(epoll_create1(EPOLL_CLOEXEC), &event, 1, WAIT_MS, &mask);
}

static int by_sem_timedwait(void)
{
    sem_t sem;
    struct timespec t = at_end(CLOCK_REALTIME);
    sem_init(&sem, 0, 0);
    return sem_timedwait(&sem, &t);
}

static int by_semtimedop(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf take = {.sem_op = -1};
    int result = semtimedop(id, &take, 1, &wait_time), error = errno;
    semctl(id, 0, IPC_RMID);
    errno = error;
    return result;
}

static int by_cond_timedwait(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    struct timespec t = at_end(CLOCK_REALTIME);
    pthread_mutex_lock(&mutex);
    return negative(pthread_cond_timedwait(&cond, &mutex, &t));
}

static int by_mutex_timedlock(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec t = at_end(CLOCK_REALTIME);
    pthread_mutex_lock(&mutex);
    return negative(pthread_mutex_timedlock(&mutex, &t));
}

static int by_rwlock_timedlock(void)
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    struct timespec t = at_end(CLOCK_REALTIME);
    pthread_rwlock_rdlock(&lock);
    return negative(pthread_rwlock_timedwrlock(&lock, &t));
}

static int by_mq_timedreceive(void)
{
    char name[64], message[64];
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = sizeof message};
    struct timespec t = at_end(CLOCK_REALTIME);
    snprintf(name, sizeof name, "/host-durations-%d", getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    mq_unlink(name);
    return (int)mq_timedreceive(queue, message, sizeof message, NULL, &t);
}

/* Without a limit of time: it waits until somebody writes. */
static int message_queue;

static int by_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message;
    return (int)msgrcv(message_queue, &message, sizeof message.text, 0, 0);
}

/* SO_RCVTIMEO counts in ticks of the kernel; EINTR is what a signal makes of it, SA_RESTART or not. */
static int socket_with_timeout(int type)
{
    int s = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait_timeval, sizeof wait_timeval);
    if (bind(s, (struct sockaddr *)&any, sizeof any) != 0)
        perror("bind");
    return s;
}

static int by_recv(void)
{
    char c;
    return (int)recv(socket_with_timeout(SOCK_DGRAM), &c, 1, 0);
}

static int by_recvmmsg(void)
{
    char c;
    struct iovec in = {&c, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &in, .msg_iovlen = 1}};
    return recvmmsg(socket_with_timeout(SOCK_DGRAM), &message, 1, 0, NULL);
}

static int by_accept(void)
{
    int s = socket_with_timeout(SOCK_STREAM);
    listen(s, 1);
    return accept(s, NULL, NULL);
}

static int by_send(void)
{
    static char much[1 << 16];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -2;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &wait_timeval, sizeof wait_timeval);
    while (send(pair[0], much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    return (int)send(pair[0], much, sizeof much, 0);
}

static int by_futex(void)
{
    int word = 1;
    return (int)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &wait_time, NULL, 0);
}

static int by_timerfd(void)
{
    uint64_t n = 0;
    struct itimerspec once = {.it_value = wait_time};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    timerfd_settime(fd, 0, &once, NULL);
    return (int)read(fd, &n, sizeof n);
}

static int by_sigtimedwait(void)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, SIGRTMIN + 3);
    return sigtimedwait(&own, NULL, &wait_time);
}

static int by_waitpid(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        nanosleep(&wait_time, NULL);
        _exit(5);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int by_waitid(void)
{
    siginfo_t info = {0};
    pid_t pid = fork();
    if (pid == 0) {
        nanosleep(&wait_time, NULL);
        _exit(6);
    }
    return waitid(P_PID, (id_t)pid, &info, WEXITED) == 0 ? info.si_status : -1;
}

static void *wait_a_while(void *arg)
{
    nanosleep(&wait_time, NULL);
    return arg;
}

static int by_join(void)
{
    return negative(pthread_join(host_thread(wait_a_while, NULL), NULL));
}

/* These wait for the main thread, without a limit. */
static int full_pipe[2], empty_pipe[2], event_fd;
static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t go_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_go;
static pthread_barrier_t barrier;
static sem_t posted;

static int by_pipe_read(void)
{
    char c;
    return (int)read(empty_pipe[0], &c, 1);
}

static int by_pipe_write(void)
{
    char c = 0;
    return (int)write(full_pipe[1], &c, 1);
}

static int by_eventfd(void)
{
    uint64_t n;
    return (int)read(event_fd, &n, sizeof n);
}

static int by_cond_wait(void)
{
    pthread_mutex_lock(&go_mutex);
    int error = is_go ? 0 : pthread_cond_wait(&go, &go_mutex);
    pthread_mutex_unlock(&go_mutex);
    return negative(error);
}

static int by_mutex(void)
{
    int error = pthread_mutex_lock(&never);
    pthread_mutex_unlock(&never);
    return negative(error);
}

static int by_sem_wait(void)
{
    return sem_wait(&posted);
}

static int by_barrier(void)
{
    int result = pthread_barrier_wait(&barrier);
    return result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : negative(result);
}

struct waiter {
    const char *name;
    int (*wait)(void);
    double wanted_s, lasted_s;
    int result, error;
};

static pthread_barrier_t all_wait;

static void *wait_after_ticks(void *arg)
{
    struct waiter *w = arg;
    host_burn(0.005);
    if (host_sampled)
        host_burn_until_ticks(NULL);
    pthread_barrier_wait(&all_wait);
    double start = host_now();
    errno = 0;
    w->result = w->wait();
    w->error = w->result < 0 ? errno : 0;
    w->lasted_s = host_now() - start;
    return NULL;
}

static void open_gates(void)
{
    char page[4096] = "";
    if (pipe2(empty_pipe, O_CLOEXEC) != 0 || pipe2(full_pipe, O_CLOEXEC) != 0)
        perror("pipe2");
    fcntl(full_pipe[1], F_SETFL, O_NONBLOCK);
    while (write(full_pipe[1], page, sizeof page) > 0)
        ;
    fcntl(full_pipe[1], F_SETFL, 0);
    event_fd = eventfd(0, EFD_CLOEXEC);
    message_queue = msgget(IPC_PRIVATE, 0600);
    sem_init(&posted, 0, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_mutex_lock(&never);
}

static void wake_all(void)
{
    char page[4096];
    uint64_t one = 1;
    struct {
        long type;
        char text[8];
    } message = {1, ""};
    host_burn(0.3); /* the machine is busy meanwhile, and there are ticks */
    double until = host_now() + WAIT_MS / 1e3;
    while (host_now() < until)
        work_units(1);
    if (write(empty_pipe[1], "x", 1) != 1 || read(full_pipe[0], page, sizeof page) <= 0 ||
        write(event_fd, &one, sizeof one) != sizeof one || msgsnd(message_queue, &message, 1, 0) != 0)
        perror("wake");
    sem_post(&posted);
    pthread_barrier_wait(&barrier);
    pthread_mutex_unlock(&never);
    pthread_mutex_lock(&go_mutex);
    is_go = true;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&go_mutex);
}

static struct waiter waiters[] = {
    {.name = "nanosleep", by_nanosleep},
    {.name = "clock_nanosleep, absolute", by_clock_nanosleep},
    {.name = "clock_nanosleep", by_clock_nanosleep_relative},
    {.name = "usleep", by_usleep},
    {.name = "sleep", by_sleep, .wanted_s = 1},
    {.name = "poll", by_poll},
    {.name = "ppoll", by_ppoll},
    {.name = "select", by_select},
    {.name = "pselect", by_pselect},
    {.name = "epoll_wait", by_epoll_wait},
    {.name = "epoll_pwait", by_epoll_pwait},
    {.name = "sem_timedwait", by_sem_timedwait},
    {.name = "semtimedop", by_semtimedop},
    {.name = "pthread_cond_timedwait", by_cond_timedwait},
    {.name = "pthread_mutex_timedlock", by_mutex_timedlock},
    {.name = "pthread_rwlock_timedwrlock", by_rwlock_timedlock},
    {.name = "mq_timedreceive", by_mq_timedreceive},
    {.name = "recv", by_recv},
    {.name = "recvmmsg", by_recvmmsg},
    {.name = "accept", by_accept},
    {.name = "send", by_send},
    {.name = "futex", by_futex},
    {.name = "timerfd", by_timerfd},
    {.name = "sigtimedwait", by_sigtimedwait},
    {.name = "waitpid", by_waitpid},
    {.name = "waitid", by_waitid},
    {.name = "pthread_join", by_join},
    {.name = "msgrcv", by_msgrcv},
    {.name = "read of a pipe", by_pipe_read},
    {.name = "write to a pipe", by_pipe_write},
    {.name = "read of an eventfd", by_eventfd},
    {.name = "pthread_cond_wait", by_cond_wait},
    {.name = "pthread_mutex_lock", by_mutex},
    {.name = "sem_wait", by_sem_wait},
    {.name = "pthread_barrier_wait", by_barrier},
};

#define WAITERS (sizeof waiters / sizeof *waiters)

static void print_waiter(const struct waiter *w)
{
    double wanted = w->wanted_s > 0 ? w->wanted_s : WAIT_MS / 1e3;
    const char *lasted = w->lasted_s < wanted - EARLY_S ? "too short"
                         : w->lasted_s > TOO_LONG_S     ? "too long"
                                                        : "as wanted";
    printf("%s: %d %s, %s\n", w->name, w->result, w->error ? strerrorname_np(w->error) : "", lasted);
    fprintf(stderr, "%s: %.3f s\n", w->name, w->lasted_s);
}

static void every_wait_lasts(void)
{
    pthread_t threads[WAITERS];
    open_gates();
    host_sample();
    pthread_barrier_init(&all_wait, NULL, WAITERS + 1);
    for (size_t i = 0; i < WAITERS; i++)
        threads[i] = host_thread(wait_after_ticks, &waiters[i]);
    pthread_barrier_wait(&all_wait);
    wake_all();
    for (size_t i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    msgctl(message_queue, IPC_RMID, NULL);
    host_stop();
    for (size_t i = 0; i < WAITERS; i++)
        print_waiter(&waiters[i]);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

/* The host's own alarm ends a read, once, and no earlier. */
static void alarm_ends_a_read(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval once = {.it_value = wait_timeval};
    int pipe_fds[2];
    char c;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        perror("pipe2");
    sigaction(SIGALRM, &action, NULL);
    host_sample();
    host_burn(0.05);
    for (int i = 0; i < 3; i++) {
        double start = host_now();
        setitimer(ITIMER_REAL, &once, NULL);
        ssize_t n = read(pipe_fds[0], &c, 1);
        const char *error = n < 0 ? strerrorname_np(errno) : "";
        bool lasted = host_now() - start >= WAIT_MS / 1e3;
        printf("read: %zd %s, %s, alarm %d\n", n, error, lasted ? "as wanted" : "too short", (int)alarms);
        host_burn(0.02);
    }
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"all", every_wait_lasts},
        {"alarm", alarm_ends_a_read},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
