#include "base/lock.h"
#include "check.h"
#include "encode/expvar.h"
#include "http/callers.h"
#include "vars/published.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static _Atomic uint32_t let_go, inside, most_inside;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int quick(void *arg, char *json, size_t room)
{
    (void)arg;
    return snprintf(json, room, "1");
}

static int stuck(void *arg, char *json, size_t room)
{
    (void)arg;
    uint32_t n = atomic_fetch_add(&inside, 1) + 1;
    if (n > atomic_load(&most_inside))
        atomic_store(&most_inside, n);
    while (!atomic_load(&let_go))
        lock_wait_word(&let_go, 0, -1);
    atomic_fetch_sub(&inside, 1);
    return snprintf(json, room, "2");
}

static struct var *publish(const char *name, var_function *call)
{
    struct var *v = var_new_function(call, NULL, NULL);
    CHECK_INT(published_add(name, strlen(name), v, NULL), STATUS_OK);
    return v;
}

static void wait_until(bool (*holds)(const struct functions *f), const struct functions *f)
{
    for (int64_t end = now_ns() + INT64_C(60000000000); !holds(f) && now_ns() < end;)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    CHECK(holds(f));
}

static bool somebody_is_inside(const struct functions *f)
{
    (void)f;
    return atomic_load(&inside) > 0;
}

static bool nobody_is_inside(const struct functions *f)
{
    return !somebody_is_inside(f);
}

static bool gives(const struct functions *f, const struct var *v, const char *want)
{
    size_t n;
    const char *got = functions_result(f, v, &n);
    return n == strlen(want) && memcmp(got, want, n) == 0;
}

/* One that is stuck must cost the others nothing, and not be entered again. */
static void test_a_function_that_is_stuck_is_left_out(void)
{
    CHECK(!callers_ask(now_ns())); /* nobody there to call */
    struct var *q = publish("quick", quick), *s = publish("stuck", stuck);
    callers_want();
    callers_want();
    int64_t now = now_ns();
    struct functions *first = callers_ask(now), *same = callers_ask(now + 1);
    CHECK(first && first == same);
    wait_until(somebody_is_inside, NULL);
    for (int i = 1; i <= 5; i++) {
        struct functions *later = callers_ask(now + i * CALLERS_LIMIT_NS);
        CHECK(later && later != first);
        wait_until(functions_done, later);
        CHECK(gives(later, q, "1") && gives(later, s, "null"));
        functions_drop(later);
    }
    CHECK(!functions_done(first));
    atomic_store(&let_go, 1);
    lock_wake_word(&let_go);
    wait_until(functions_done, first);
    wait_until(nobody_is_inside, NULL);
    CHECK(gives(first, q, "1") && gives(first, s, "2"));
    CHECK_INT(most_inside, 1);
    functions_drop(first);
    functions_drop(same);
    var_drop(q);
    var_drop(s);
}

int main(void)
{
    test_a_function_that_is_stuck_is_left_out();
    return check_done();
}
