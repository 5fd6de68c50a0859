/*
 * Known shares: units of equal work, three of four on average in `three`, the others in `one`. Which comes next is
 * drawn, so that nothing beats in step with a timer. argv[1] units of about 50 us each, argv[2] the draw's seed.
 * The two functions lie in sections of their own: their addresses tell them apart without symbols.
 */
#include "tool.h"
#include "work.h"

#define UNIT 40000

extern const char __start_code_three[], __stop_code_three[], __start_code_one[], __stop_code_one[];

__attribute__((noinline, section("code_three"))) static void three(void)
{
    work_rounds(UNIT);
}

__attribute__((noinline, section("code_one"))) static void one(void)
{
    work_rounds(UNIT);
}

/* Knuth's MMIX generator; its high bits are good. */
static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 62);
}

int main(int argc, char **argv)
{
    long units = argc > 1 ? atol(argv[1]) : 1000, in_three = 0;
    uint64_t state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    tool_start();
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < units; i++) {
        if (draw(&state)) {
            in_three++;
            three();
        } else {
            one();
        }
    }
    int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    tool_stop();
    printf("cpu_ns %lld\ntrue_share %.6f\n", (long long)cpu_ns, (double)in_three / (double)units);
    printf("three_low %llu\nthree_high %llu\n", (unsigned long long)(uintptr_t)__start_code_three,
           (unsigned long long)(uintptr_t)__stop_code_three);
    printf("one_low %llu\none_high %llu\n", (unsigned long long)(uintptr_t)__start_code_one,
           (unsigned long long)(uintptr_t)__stop_code_one);
    return 0;
}
