/*
 * The same over and over: three quarters of each cycle of CPU time in `three`, the rest in `one`. argv[1] ms a cycle,
 * argv[2] seconds of CPU. The two functions lie in sections of their own: their addresses tell them apart without
 * symbols.
 */
#include "tool.h"
#include "work.h"

#define CHUNK 30000 /* rounds between two looks at the clock: some 30 us */

extern const char __start_code_three[], __stop_code_three[], __start_code_one[], __stop_code_one[];

__attribute__((noinline, section("code_three"))) static void three(int64_t end)
{
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        work_rounds(CHUNK);
}

__attribute__((noinline, section("code_one"))) static void one(int64_t end)
{
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        work_rounds(CHUNK);
}

int main(int argc, char **argv)
{
    int64_t cycle = (int64_t)((argc > 1 ? atof(argv[1]) : 10) * 1e6), in_three = 0, in_one = 0;
    tool_start();
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    int64_t end = begin + (int64_t)((argc > 2 ? atof(argv[2]) : 1) * 1e9);
    while (begin < end) {
        three(begin + cycle * 3 / 4);
        int64_t middle = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        one(begin + cycle);
        int64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        in_three += middle - begin;
        in_one += now - middle;
        begin = now > begin + 2 * cycle ? now : begin + cycle;
    }
    int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    tool_stop();
    printf("cpu_ns %lld\ntrue_share %.6f\n", (long long)cpu_ns, (double)in_three / (double)(in_three + in_one));
    printf("three_low %llu\nthree_high %llu\n", (unsigned long long)(uintptr_t)__start_code_three,
           (unsigned long long)(uintptr_t)__stop_code_three);
    printf("one_low %llu\none_high %llu\n", (unsigned long long)(uintptr_t)__start_code_one,
           (unsigned long long)(uintptr_t)__stop_code_one);
    return 0;
}
