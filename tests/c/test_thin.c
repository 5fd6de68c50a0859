/* Thinning: totals to one period, shares without bias, also where the fine ticks follow a pattern. */
#include "base/any/random.h"
#include "check.h"
#include "sampler/thin.h"

#include <math.h>

#define FINE   1000000u  /* 1,000 Hz */
#define COARSE 10000000u /* 100 Hz */

static void equal_periods_pass_through(void)
{
    struct thin t;
    thin_init(&t, COARSE, 1);
    for (uint32_t ticks = 1; ticks < 50; ticks++)
        CHECK_INT(thin_ticks(&t, ticks, COARSE), ticks);
}

/* However the records are cut, with what they stand for changing from one to the next. */
static void totals_are_right_to_a_period(void)
{
    uint64_t random = 7;
    for (int round = 0; round < 200; round++) {
        struct thin t;
        uint64_t fine_ns = 0, coarse_ns = 0;
        thin_init(&t, COARSE, random_next(&random));
        for (int i = 0; i < 500; i++) {
            uint32_t period = random_next(&random) % 2 ? FINE : 3 * COARSE, ticks = (uint32_t)random_upto(&random, 20);
            fine_ns += (uint64_t)ticks * period;
            coarse_ns += (uint64_t)thin_ticks(&t, ticks, period) * COARSE;
            CHECK(coarse_ns < fine_ns + COARSE && coarse_ns + COARSE > fine_ns);
        }
    }
}

/* Two threads in turn at every tick, ten ticks to a period: every tenth would always be the same one. */
static void a_pattern_in_step_is_not_seen_as_one_thread(void)
{
    struct thin t;
    double a = 0, b = 0;
    thin_init(&t, COARSE, 11);
    for (int i = 0; i < 100000; i++)
        *(i % 2 ? &a : &b) += thin_ticks(&t, 1, FINE);
    double n = a + b, error = sqrt(0.25 / n);
    printf("share of one of two: %.4f +- %.4f\n", a / n, error);
    CHECK(n > 9990 && fabs(a / n - 0.5) < 4 * error);
}

/* A record of many missed periods weighs what it stands for. */
static void heavy_records_keep_their_share(void)
{
    struct thin t;
    double heavy = 0, light = 0;
    thin_init(&t, COARSE, 13);
    for (int i = 0; i < 40000; i++) {
        if (i % 31 == 0)
            heavy += thin_ticks(&t, 90, FINE);
        else
            light += thin_ticks(&t, 1, FINE);
    }
    double share = heavy / (heavy + light);
    printf("share of the heavy ones: %.4f, truth 0.75\n", share);
    CHECK(fabs(share - 0.75) < 0.01);
}

int main(void)
{
    equal_periods_pass_through();
    totals_are_right_to_a_period();
    a_pattern_in_step_is_not_seen_as_one_thread();
    heavy_records_keep_their_share();
    return check_done();
}
