/*
 * The periods of the perf clock, by simulation: of a program that works three quarters of each cycle in one place the
 * share comes out right whatever the cycle, with the spread that as many independent samples would have; and what ticks
 * stand for is what was used.
 *
 * A fixed period shows some of these programs as working in one place only; periods that last a fixed number of ticks
 * lock in on cycles as long as a batch (10 ms and 100 ticks at 10,000 Hz: a spread of 7 instead of 1).
 */
#include "check.h"
#include "sampler/periods.h"

#include <math.h>
#include <stdint.h>

#define SECOND  1000000000.0
#define LATENCY 100000 /* of the engine, at which it restarts a period */

struct run {
    double share; /* of ticks that fell into the first three quarters */
    long ticks;
};

static double part_of_cycle(double ns, double cycle_ns)
{
    return fmod(ns, cycle_ns) / cycle_ns;
}

/* What sampler/perfclock makes of it: the first tick alone, then batches, each begun a moment behind a tick. */
static struct run simulate(uint32_t nominal, double cycle_ns, double length_ns, uint64_t *random)
{
    double at = 0, phase = periods_first(1000000, random) / 1e6 * cycle_ns;
    uint32_t period = periods_first(nominal, random), left = 1, hits = 0;
    struct run r = {0};
    while (at + period <= length_ns) {
        at += period;
        r.ticks++;
        hits += part_of_cycle(at + phase, cycle_ns) < 0.75;
        if (--left)
            continue;
        at += period < LATENCY ? period / 2 : LATENCY;
        period = periods_next(nominal, (int64_t)at - r.ticks * nominal, random);
        left = periods_ticks(nominal, random);
    }
    r.share = (double)hits / (double)r.ticks;
    return r;
}

static void shares_are_right(uint32_t hz, double cycle_ns, uint64_t *random)
{
    uint32_t nominal = (uint32_t)(SECOND / hz);
    int runs = hz > 1000 ? 100 : 1000, beyond = 0;
    double sum = 0, z2 = 0, length = 6 * SECOND, worst = 0;
    for (int i = 0; i < runs; i++) {
        struct run r = simulate(nominal, cycle_ns, length, random);
        double z = (r.share - 0.75) / sqrt(0.1875 / (double)r.ticks);
        sum += r.share;
        z2 += z * z;
        beyond += fabs(z) > 3;
        worst = fmax(worst, fabs((double)r.ticks * nominal - length));
    }
    double mean = sum / runs, spread = sqrt(z2 / runs);
    printf("%5u Hz, cycle %4.1f ms: mean %.4f, spread %.2f of independent samples', totals right to %.0f ms\n", hz,
           cycle_ns / 1e6, mean, spread, worst / 1e6);
    CHECK(fabs(mean - 0.75) < 0.003);
    CHECK(spread < 1.3);
    CHECK(beyond <= runs / 50);
    CHECK(worst < 0.02 * length);
}

static void a_thread_of_less_than_a_period_has_its_share(uint64_t *random)
{
    long ticks = 0, threads = 20000;
    for (long i = 0; i < threads; i++)
        ticks += periods_first(10000000, random) <= 3000000;
    CHECK(ticks > 0.28 * (double)threads && ticks < 0.32 * (double)threads);
}

int main(void)
{
    static const double cycles_ms[] = {0.5, 1, 2, 4, 8, 10, 20, 50, 100, 1000};
    static const uint32_t rates[] = {100, 1000, 10000};
    uint64_t random = 42;
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
        for (size_t c = 0; c < sizeof cycles_ms / sizeof *cycles_ms; c++)
            shares_are_right(rates[r], cycles_ms[c] * 1e6, &random);
    a_thread_of_less_than_a_period_has_its_share(&random);
    return check_done();
}
