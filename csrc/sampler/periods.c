#include "sampler/periods.h"

#include "base/any/random.h"

/* The kernel's own least for a perf event. */
#define PERIOD_MIN_NS 10000

/* Longer costs less, shorter leaves less to chance. */
#define BATCH_NS 20000000

/* How far from the mean, as a part of it. The more ticks a cycle of the program spans the less is needed, and a rate
 * that changes by much from one cycle to the next is itself noise. */
static double spread(double nominal_ns)
{
    double part = 0.05 + 0.22 * nominal_ns / 1e6;
    return part < 0.5 ? part : 0.5;
}

/* What is owed is made good in about one batch, but never by a rate that is much another. */
#define MEAN_LEAST 0.6
#define MEAN_MOST  1.6

static uint32_t at_least(double period_ns)
{
    return period_ns > PERIOD_MIN_NS ? (uint32_t)period_ns : PERIOD_MIN_NS;
}

static uint32_t usual_ticks(uint32_t nominal_ns)
{
    return 1 + BATCH_NS / nominal_ns;
}

uint32_t periods_first(uint32_t nominal_ns, uint64_t *random)
{
    return at_least((double)random_upto(random, nominal_ns));
}

/* Just behind a tick more is stood for than was used, by half a period on average. */
static double mean_ns(double nominal_ns, double owed_ns, uint32_t ticks)
{
    double part = 1 - (owed_ns / nominal_ns + 0.5) / (ticks + 1);
    return nominal_ns * (part < MEAN_LEAST ? MEAN_LEAST : part > MEAN_MOST ? MEAN_MOST : part);
}

uint32_t periods_next(uint32_t nominal_ns, int64_t owed_ns, uint64_t *random)
{
    double drawn = 2.0 * (double)random_upto(random, UINT32_MAX) / UINT32_MAX - 1;
    double mean = mean_ns(nominal_ns, (double)owed_ns, usual_ticks(nominal_ns));
    return at_least(mean * (1 + spread(nominal_ns) * drawn));
}

uint32_t periods_ticks(uint32_t nominal_ns, uint64_t *random)
{
    return (uint32_t)random_upto(random, (uint64_t)2 * usual_ticks(nominal_ns));
}
