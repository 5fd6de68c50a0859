/* Places that modules left, as a profile of a certain time is to know them. */
#include "sampler/vacated.h"

#include "base/clock.h"
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static struct vacated v;

static uint32_t since(int64_t ns)
{
    vacated_since(ns, &v);
    return v.n;
}

static void who_left_is_told_to_profiles_of_before(void)
{
    int64_t before = clock_mono_ns();
    CHECK_INT(since(0), 0);
    vacated_left(0x1000, 0x2000, 7);
    int64_t after = clock_mono_ns() + 1;
    CHECK_INT(since(before), 1);
    CHECK(v.at[0].low == 0x1000 && v.at[0].high == 0x2000);
    CHECK_INT(since(after), 0);
}

static void who_is_back_has_its_names(void)
{
    vacated_entered(0x1000, 0x2000, 7);
    CHECK_INT(since(0), 0);
    vacated_left(0x1000, 0x2000, 7);
    CHECK_INT(since(0), 1);
    vacated_entered(0x1000, 0x2000, 7);
    CHECK_INT(since(0), 0);
}

/* Though the first comes back, samples of the other may be there. */
static void another_in_the_place(void)
{
    vacated_left(0x1000, 0x2000, 7);
    vacated_entered(0x1800, 0x2800, 8);
    CHECK_INT(since(0), 1);
    int64_t later = clock_mono_ns() + 1;
    CHECK_INT(since(later), 0); /* it is alone in profiles that begin now */
    vacated_left(0x1800, 0x2800, 8);
    CHECK_INT(since(0), 1);
    CHECK(v.at[0].low == 0x1000 && v.at[0].high == 0x2800);
    vacated_entered(0x1000, 0x2000, 7);
    CHECK_INT(since(0), 1);
}

/* In a child of fork nothing was sampled before. */
static void a_child_begins_anew(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(since(0) == 0 ? 0 : 1);
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_INT(since(0), 1);
}

static void the_latest_are_remembered(void)
{
    for (uint64_t i = 1; i <= VACATED_MAX + 10; i++)
        vacated_left(i << 20, (i << 20) + 0x1000, i);
    CHECK_INT(since(0), VACATED_MAX);
    CHECK(v.at[VACATED_MAX - 1].low == (uint64_t)(VACATED_MAX + 10) << 20);
    CHECK(v.at[0].low == (uint64_t)11 << 20);
}

int main(void)
{
    vacated_prepare();
    who_left_is_told_to_profiles_of_before();
    who_is_back_has_its_names();
    another_in_the_place();
    a_child_begins_anew();
    the_latest_are_remembered();
    return check_done();
}
