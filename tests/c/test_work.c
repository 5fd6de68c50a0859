/* The worker may be in a job that does not end, reading names from a disk that does not answer: the server ends all the
 * same, another can begin, and the job frees itself when it is done. */
#include "http/work.h"

#include "base/lock.h"
#include "check.h"
#include "http/limits.h"

#include <unistd.h>

#define FAR_NS INT64_C(60000000000)

struct job {
    struct work work;
    _Atomic uint32_t begun, may_end, done, late;
};

static void settle(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    lock_wake_word(word);
}

static void wait_for(_Atomic uint32_t *word)
{
    while (!atomic_load(word))
        lock_wait_word(word, 0, FAR_NS);
}

static void run(struct work *w)
{
    struct job *j = (struct job *)w;
    settle(&j->begun);
    while (!atomic_load(&j->may_end))
        lock_wait_word(&j->may_end, 0, FAR_NS);
}

static void done(struct work *w)
{
    settle(&((struct job *)w)->done);
}

static void late(struct work *w)
{
    settle(&((struct job *)w)->late);
}

static _Atomic uint32_t told;

static void tell(void)
{
    settle(&told);
}

static struct job new_job(void)
{
    return (struct job){.work = {.run = run, .done = done, .late = late}};
}

/* What nobody waited for is done by its own thread; what had not begun comes back at once. */
static void test_one_that_does_not_end(void)
{
    static struct job stuck, queued;
    stuck = new_job();
    queued = new_job();
    work_start(tell);
    CHECK_INT(work_submit(&stuck.work, NULL), STATUS_OK);
    CHECK_INT(work_submit(&queued.work, NULL), STATUS_OK);
    wait_for(&stuck.begun);
    work_stop();
    CHECK_INT(stuck.done + stuck.late, 0);
    CHECK_INT(queued.done, 1);
    CHECK_INT(queued.begun + queued.late, 0);

    /* The next server's. Its worker is another. */
    static struct job next;
    next = new_job();
    atomic_store(&told, 0);
    work_start(tell);
    CHECK_INT(work_submit(&next.work, NULL), STATUS_OK);
    wait_for(&next.begun);
    settle(&stuck.may_end);
    wait_for(&stuck.late);
    CHECK_INT(stuck.done, 0);
    work_collect();
    CHECK_INT(next.done + next.late, 0);
    settle(&next.may_end);
    while (!atomic_load(&next.done)) {
        wait_for(&told);
        atomic_store(&told, 0);
        work_collect();
    }
    work_stop();
    CHECK_INT(next.late, 0);
}

/* It is waited for as long as that is not too long. */
static void test_one_that_ends(void)
{
    static struct job job;
    job = new_job();
    settle(&job.may_end);
    work_start(tell);
    CHECK_INT(work_submit(&job.work, NULL), STATUS_OK);
    wait_for(&job.begun);
    http_limits.leave_ns = FAR_NS;
    work_stop();
    CHECK_INT(job.done, 1);
    CHECK_INT(job.late, 0);
}

int main(void)
{
    alarm(120);
    http_limits.leave_ns = 50 * INT64_C(1000000);
    test_one_that_does_not_end();
    test_one_that_ends();
    return check_done();
}
