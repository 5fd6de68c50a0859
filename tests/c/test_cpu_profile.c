/* What a CPU profile says beside its stacks: CPU time that no tick stands for is shown, chance is not. */
#include "check.h"
#include "encode/cpu_profile.h"
#include "encode/naming.h"

#include <stdbool.h>

#define MS INT64_C(1000000)

/* Nothing was sampled at 100 Hz. */
static struct cpu_facts facts_of(int64_t used_ms, uint32_t threads)
{
    struct cpu_facts facts = {.names = NAMING_WITHOUT, .duration_ns = 2 * used_ms * MS};
    facts.stats = (struct cpu_stats){.hz = 100, .engine_hz = 100, .threads_covered = threads};
    facts.stats.process_cpu_ns = used_ms * MS;
    return facts;
}

static void fill(const struct cpu_facts *facts, struct model *m)
{
    struct collect nothing;
    struct reason why = {0};
    CHECK(collect_init(&nothing) == STATUS_OK && model_init(m) == STATUS_OK);
    CHECK(cpu_profile_fill(facts, &nothing, &process_self, m, &why) == STATUS_OK);
    collect_fini(&nothing);
}

static int64_t total_ticks(const struct cpu_facts *facts)
{
    struct model m;
    int64_t ticks = 0;
    fill(facts, &m);
    for (size_t s = 0; s < m.n_samples; s++)
        ticks += m.values.at[2 * s];
    model_fini(&m);
    return ticks;
}

/* Beside 2,000 threads that did nothing, what one used that blocks SIGPROF passed for chance: the profile was empty. */
static void idle_threads_make_no_room_for_chance(void)
{
    struct cpu_facts facts = facts_of(620, 1);
    CHECK_INT(total_ticks(&facts), 62);
    facts = facts_of(620, 2001);
    CHECK_INT(total_ticks(&facts), 62);
}

/* A hundred threads may each be a period off. */
static void chance_is_not_lost(void)
{
    struct cpu_facts facts = facts_of(100 * 105, 100);
    facts.stats.ticks = 100 * 10 + 40;
    CHECK_INT(total_ticks(&facts), 0);
    facts.stats.ticks = 100 * 10;
    CHECK_INT(total_ticks(&facts), 50);
    facts = facts_of(30, 1);
    CHECK_INT(total_ticks(&facts), 0);
}

static bool has_comment(const struct model *m, const char *part)
{
    for (size_t i = 0; i < m->comments.n; i++)
        if (strstr(strtab_at(&m->strings, m->comments.at[i]), part))
            return true;
    return false;
}

/* Where /proc tells nothing no thread is sampled. */
static void failed_looks_are_told(void)
{
    struct cpu_facts facts = facts_of(620, 0);
    struct model m;
    fill(&facts, &m);
    CHECK(!has_comment(&m, "/proc/self/task"));
    model_fini(&m);
    facts.stats.scans_failed = 3;
    fill(&facts, &m);
    CHECK(has_comment(&m, "3 looks at /proc/self/task failed"));
    model_fini(&m);
}

int main(void)
{

    idle_threads_make_no_room_for_chance();
    chance_is_not_lost();
    failed_looks_are_told();
    return check_done();
}
