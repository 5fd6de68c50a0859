/* Hosts with stacks of every kind: small ones, very deep ones, borrowed ones, and such that are not what they seem. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "host.h"

#define PAGE        4096
#define CALLER_KIB  48
#define DEFAULT_KIB 16
#define ALT_BYTES   2048 /* MINSIGSTKSZ: on machines with wide vectors less than the kernel itself writes there */
#define DEEP        100000
#define SWITCHES    60

static pthread_t thread_of(size_t stack_bytes, void *(*run)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack_bytes);
    if (pthread_create(&thread, &attr, run, arg) != 0)
        perror("pthread_create");
    return thread;
}

static void *burn_a_while(void *arg)
{
    host_burn(0.15);
    return arg;
}

static void *burn_briefly(void *arg)
{
    host_burn(0.01);
    return arg;
}

static void *sample_and_stop(void *arg)
{
    host_sample();
    host_burn(0.05);
    host_stop();
    return arg;
}

/* A thread of a host that has thousands of them. */
static void caller_is_small(void)
{
    pthread_join(thread_of(CALLER_KIB << 10, sample_and_stop, NULL), NULL);
    printf("alive\n");
}

/* `ulimit -s`, or a program that says so: all threads are small unless they ask for more. Ends with stdin. */
static void default_is_small(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, DEFAULT_KIB << 10);
    if (pthread_setattr_default_np(&attr) != 0)
        perror("pthread_setattr_default_np");
    if (host_sampled) {
        host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
        printf("http://%s/debug/pprof/\n", cprof_serve_addr());
        fflush(stdout);
    }
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (char c; read(STDIN_FILENO, &c, 1) < 0 && errno == EAGAIN;) {
        pthread_create(&thread, NULL, burn_a_while, NULL);
        pthread_join(thread, NULL);
    }
    if (host_sampled)
        host_expect("cprof_close", cprof_close(), CPROF_OK);
}

/* For its own SIGSEGV handler, which never runs. Below it lies a page that cannot be written. */
static void alternate_is_small(void)
{
    char *low = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(low + PAGE, PAGE, PROT_READ | PROT_WRITE);
    stack_t alternate = {.ss_sp = low + 2 * PAGE - ALT_BYTES, .ss_size = ALT_BYTES};
    if (sigaltstack(&alternate, NULL) != 0)
        perror("sigaltstack");
    host_sample();
    host_burn(0.1);
    host_stop();
    printf("alive\n");
}

__attribute__((noinline)) static int recurse(int depth)
{
    if (depth == 0) {
        host_burn(0.1);
        return 0;
    }
    volatile int below = recurse(depth - 1);
    return below + 1;
}

static void *recurse_deeply(void *arg)
{
    printf("came back from %d\n", recurse(DEEP));
    return arg;
}

static void stack_is_deep(void)
{
    host_sample_at(10000);
    pthread_join(thread_of((size_t)64 << 20, recurse_deeply, NULL), NULL);
    host_stop();
}

/* Works for a while with anything at all in the frame pointer. */
__attribute__((noinline)) static void work_with_frame_pointer(uintptr_t value)
{
    unsigned long turns = 40000000;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rbp, %%rdx\n\t"
                     "mov %1, %%rbp\n\t"
                     "1: dec %0\n\t"
                     "jnz 1b\n\t"
                     "mov %%rdx, %%rbp"
                     : "+c"(turns)
                     : "r"(value)
                     : "rdx", "memory", "cc");
#elif defined(__aarch64__)
    __asm__ volatile("mov x10, x29\n\t"
                     "mov x29, %1\n\t"
                     "1: subs %0, %0, #1\n\t"
                     "b.ne 1b\n\t"
                     "mov x29, x10"
                     : "+r"(turns)
                     : "r"(value)
                     : "x10", "memory", "cc");
#endif
}

/* Beyond a file's end a mapping can be read as little as where there is none. */
static char *map_empty_file(void)
{
    return mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, host_file("empty"), 0);
}

static void frame_pointer_is_wrong(void)
{
    char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + PAGE, PAGE);
    const uintptr_t values[] = {
        0,
        1,
        8,
        (uintptr_t)-1,
        (uintptr_t)-8,
        PAGE,
        UINT64_C(0x7ffffffffff8),
        UINT64_C(0x7ffffffff000),
        UINT64_C(0x800000000000),
        UINT64_C(0xffffffffff600000),
        (uintptr_t)frame_pointer_is_wrong,
        (uintptr_t)page + PAGE - 8,
        (uintptr_t)page + PAGE - 16,
        (uintptr_t)map_empty_file() + 64,
    };
    host_sample_at(10000);
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        work_with_frame_pointer(values[i]);
    host_stop();
    printf("alive\n");
}

static ucontext_t scheduler, coroutine;
static volatile int resumed;

static void run_coroutine(void)
{
    for (;;) {
        resumed++;
        host_burn(0.002);
        swapcontext(&coroutine, &scheduler);
    }
}

static void stack_is_switched(void)
{
    static char stack[64 << 10];
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = sizeof stack;
    makecontext(&coroutine, run_coroutine, 0);
    host_sample_at(10000);
    for (int i = 0; i < SWITCHES; i++) {
        swapcontext(&scheduler, &coroutine);
        host_burn(0.002);
    }
    host_stop();
    printf("resumed %d times\n", resumed);
}

static void on_urgent(int sig)
{
    (void)sig;
}

/* As the kernel has it. */
struct kernel_action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

/* What Go does: its own handlers are on an alternate stack, and those that stand already are changed to be. */
static void set_up_as_go(void)
{
    static char alternate[64 << 10];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction urgent = {.sa_handler = on_urgent, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct kernel_action prof;
    sigaltstack(&stack, NULL);
    sigaction(SIGURG, &urgent, NULL);
    syscall(SYS_rt_sigaction, SIGPROF, NULL, &prof, sizeof prof.mask);
    if (prof.handler > 1) {
        prof.flags |= SA_ONSTACK;
        syscall(SYS_rt_sigaction, SIGPROF, &prof, NULL, sizeof prof.mask);
    }
}

__attribute__((noinline)) static void burn_in_a_little_room(void)
{
    volatile char taken[PAGE / 2];
    for (int i = 0; i < 100000000; i++)
        taken[i % (PAGE / 2)] = (char)i;
    swapcontext(&coroutine, &scheduler);
}

/* Of a page half is left, and the one below it cannot be written: the kernel's part of a signal's frame is larger. */
static void stack_is_as_small_as_gos(void)
{
    char *low = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(low + PAGE, PAGE, PROT_READ | PROT_WRITE);
    host_wait_for_door();
    set_up_as_go();
    if (HOST_CALLS)
        host_sample();
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = low + PAGE;
    coroutine.uc_stack.ss_size = PAGE;
    makecontext(&coroutine, burn_in_a_little_room, 0);
    swapcontext(&scheduler, &coroutine);
    host_stop();
    printf("came back\n");
}

/* A loop in memory that no file holds, as a JIT's code is: no row knows it, and what stands in the frame pointer is its
 * caller's. */
static void code_is_made(void)
{
#if defined(__x86_64__)
    static const unsigned char loop[] = {0x48, 0xff, 0xcf, 0x75, 0xfb, 0xc3};
#elif defined(__aarch64__)
    static const uint32_t loop[] = {0xf1000400, 0x54ffffe1, 0xd65f03c0};
#endif
    void *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, loop, sizeof loop);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)code, (char *)code + sizeof loop);
    host_sample_at(10000);
    ((void (*)(unsigned long))code)(100000000);
    host_stop();
    munmap(code, PAGE);
    printf("alive\n");
}

/* Stacks of coroutines side by side, each gone as soon as it is done with, while the one below it still runs: what was
 * seen of a stack must not be believed of its neighbour. */
#define SIDE_BYTES (64 << 10)

static char *sides;
static int side;

static void run_beside(void)
{
    munmap(sides + (side + 1) * SIDE_BYTES, SIDE_BYTES);
    host_burn(0.002);
    recurse(20 + side % 7);
    swapcontext(&coroutine, &scheduler);
}

static void neighbours_go(void)
{
    sides = mmap(NULL, (SWITCHES + 1) * SIDE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    host_sample_at(10000);
    for (side = SWITCHES - 1; side >= 0; side--) {
        getcontext(&coroutine);
        coroutine.uc_stack.ss_sp = sides + side * SIDE_BYTES;
        coroutine.uc_stack.ss_size = SIDE_BYTES;
        makecontext(&coroutine, run_beside, 0);
        swapcontext(&scheduler, &coroutine);
    }
    host_stop();
    printf("alive\n");
}

/* Threads whose stacks come and go at the same places, with another size each time. */
static void stacks_are_used_again(void)
{
    host_sample_at(10000);
    for (size_t i = 0; i < 40; i++)
        pthread_join(thread_of((size_t)(64 + i % 5 * 256) << 10, burn_briefly, NULL), NULL);
    host_stop();
    printf("alive\n");
}

/* Further down than ever before, and up again: the kernel makes pages as they are touched. */
__attribute__((noinline)) static int grow(int depth)
{
    volatile char room[3000];
    room[0] = room[2999] = (char)depth;
    if (depth % 100 == 0)
        host_burn(0.002);
    return depth ? grow(depth - 1) + room[0] - room[2999] : 0;
}

static void main_stack_grows(void)
{
    host_sample_at(10000);
    for (int i = 1; i <= 4; i++)
        grow(i * 500);
    host_stop();
    printf("alive\n");
}

/* A mapping that grows downwards, with nothing above it: reads beyond its end would be the host's SIGSEGV. */
static void stack_grows_down(void)
{
    char *low = mmap(NULL, 256 << 10, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *top = low + (192 << 10);
    coroutine.uc_link = NULL;
    if (mmap(top - PAGE * 8, PAGE * 8, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN | MAP_STACK, -1, 0) == MAP_FAILED)
        perror("mmap");
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = top - PAGE * 8;
    coroutine.uc_stack.ss_size = PAGE * 8;
    makecontext(&coroutine, run_coroutine, 0);
    host_sample_at(10000);
    for (int i = 0; i < SWITCHES; i++)
        swapcontext(&scheduler, &coroutine);
    host_stop();
    printf("resumed %d times\n", resumed);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"small_caller", caller_is_small},
        {"small_default", default_is_small},
        {"small_alternate", alternate_is_small},
        {"deep", stack_is_deep},
        {"wrong", frame_pointer_is_wrong},
        {"switched", stack_is_switched},
        {"go", stack_is_as_small_as_gos},
        {"made", code_is_made},
        {"neighbours", neighbours_go},
        {"reused", stacks_are_used_again},
        {"growing", main_stack_grows},
        {"downwards", stack_grows_down},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
