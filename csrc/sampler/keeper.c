#include "sampler/keeper.h"

#include "base/atfork.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "hook/got.h"
#include "sampler/modules.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MS INT64_C(1000000)

/* The rows of a program with a dozen libraries are there after 5 to 30 ms, on a busy machine later. Only while the
 * loader is asked may it be the waiting thread that holds everything up: a constructor, which is then that much later.
 */
#define FIRST_WAIT_NS  (1000 * MS)
#define FIRST_ASKED_NS (50 * MS)
#define FIRST_STEP_NS  (5 * MS)

/* Between two looks. Code that no module holds (a JIT's) asks again and again: each time in vain doubles the pause. */
#define PAUSE_MIN_NS (100 * MS)
#define PAUSE_MAX_NS (10000 * MS)

/* A module that the loader is not done with is looked at again. */
#define REDIRECTIONS_MAX   40
#define REDIRECTION_GAP_NS (50 * MS)

static _Atomic uint32_t busy;    /* a thread was started and has not ended */
static _Atomic uint32_t ready;   /* there have been rows */
static _Atomic uint32_t gave_up; /* somebody has waited for them in vain */
static _Atomic uint32_t resting; /* see keeper_rest */
static _Atomic bool wants;       /* we have asked for redirection: the host may yet restrict itself */
static _Atomic int64_t pause_ns; /* the thread's */
static _Atomic int64_t due_ns;   /* no look before that */

static void set_pace(bool found_something)
{
    int64_t pause = found_something ? PAUSE_MIN_NS : 2 * atomic_load(&pause_ns);
    pause = pause < PAUSE_MIN_NS ? PAUSE_MIN_NS : pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
    atomic_store(&pause_ns, pause);
    atomic_store(&due_ns, clock_mono_ns() + pause);
}

static void redirect(void)
{
    if (!atomic_exchange(&wants, true))
        got_want(+1);
    for (int i = 0; i < REDIRECTIONS_MAX && !modules_redirect() && !atomic_load(&resting); i++)
        lock_wait_word(&resting, 0, REDIRECTION_GAP_NS);
}

static void look(void *arg)
{
    (void)arg;
    bool changed = modules_refresh(NULL);
    set_pace(changed);
    atomic_store(&ready, 1);
    lock_wake_word(&ready);
    redirect();
    atomic_store(&busy, 0);
}

static void start_thread(void)
{
    uint32_t no = 0;
    if (atomic_load(&resting) || !atomic_compare_exchange_strong(&busy, &no, 1))
        return;
    if (thread_start("cprof-keeper", look, NULL, NULL) != STATUS_OK) {
        set_pace(false);
        atomic_store(&busy, 0);
    }
}

static void after_fork_child(void)
{
    atomic_store(&busy, 0);
    atomic_store(&gave_up, 0);
    atomic_store(&due_ns, 0);
    atomic_store(&wants, false);
}

void keeper_start(void)
{
    static const struct atfork_hooks fork_hooks = {.rank = LOCK_MODULES, .after_child = after_fork_child};
    modules_prepare();
    atfork_register(&fork_hooks);
    if (!atomic_load(&ready))
        start_thread();
}

static void wait_for_rows(void)
{
    int64_t began = clock_mono_ns(), asked_since = began, now = began;
    while (!atomic_load(&ready) && now - began < FIRST_WAIT_NS && now - asked_since < FIRST_ASKED_NS) {
        lock_wait_word(&ready, 0, FIRST_STEP_NS);
        now = clock_mono_ns();
        if (!modules_is_asking())
            asked_since = now;
    }
}

void keeper_wait(void)
{
    if (atomic_load_explicit(&ready, memory_order_acquire) || atomic_load(&gave_up) || !atomic_load(&busy))
        return;
    wait_for_rows();
    if (!atomic_load(&ready))
        atomic_store(&gave_up, 1);
}

void keeper_nudge(void)
{
    if (!atomic_load(&busy) && clock_mono_ns() >= atomic_load(&due_ns))
        start_thread();
}

void keeper_rest(void)
{
    atomic_store(&resting, 1);
    lock_wake_word(&resting);
}

void keeper_go_on(void)
{
    atomic_store(&resting, 0);
}
