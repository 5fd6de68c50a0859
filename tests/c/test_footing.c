/*
 * Stacks that need not be asked for again: only from the page a walk began in, only until the engine looks round, and
 * never for a guess.
 */
#include "check.h"
#include "sampler/modules.h"
#include "sig/cwalk.h"
#include "sig/footing.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE (uint64_t) SAFEREAD_PAGE

static void what_was_kept_is_known_from_its_page(void)
{
    const uint64_t low = UINT64_C(0x7ffe12340000);
    struct saferead found = {low, low + 5 * PAGE}, known;
    footing_keep(low + 64, &found, footing_time());
    known = footing_at(low + 8);
    CHECK(known.low == low && known.high == low + 5 * PAGE);
    known = footing_at(low + PAGE);
    CHECK(known.low == 0 && known.high == 0);
    footing_forget();
    known = footing_at(low + 8);
    CHECK(known.low == 0 && known.high == 0);
}

/* Close to the end of its page nothing is read there. */
static void what_begins_with_the_next_page_does_so_again(void)
{
    const uint64_t low = UINT64_C(0x7ffe12340000);
    struct saferead found = {low + PAGE, low + 3 * PAGE};
    footing_keep(low + PAGE - 8, &found, footing_time());
    struct saferead known = footing_at(low + PAGE - 16);
    CHECK(known.low == low + PAGE && known.high == low + 3 * PAGE);
    footing_forget();
}

/* A run that is further away is of another stack: the walk went over to it. */
static void what_does_not_hold_sp_is_not_kept(void)
{
    const uint64_t low = UINT64_C(0x7ffe12340000);
    struct saferead above = {low + 2 * PAGE, low + 3 * PAGE}, below = {low - PAGE, low}, wild = {0, UINT64_MAX - 4095};
    footing_keep(low + 64, &above, footing_time());
    footing_keep(low + 64, &below, footing_time());
    footing_keep(low + 64, &wild, footing_time());
    struct saferead known = footing_at(low + 64);
    CHECK(known.high == 0);
}

/* The next walk would read memory that is gone, were it believed in what the frame pointer leads to. */
static void a_guess_asks_again(void)
{
    char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t low = (uint64_t)(uintptr_t)two;
    struct saferead both = {low, low + 2 * PAGE};
    struct record record = {0};
    footing_keep(low + 64, &both, footing_time());
    munmap(two + PAGE, PAGE);
    cwalk((struct regs){.pc = low + 16, .sp = low + 64, .fp = low + PAGE + 64}, &record);
    CHECK_INT(record.depth, 1);
    CHECK_INT(record.flags, RECORD_PARTIAL);
    cwalk((struct regs){.pc = low + 16, .sp = low + 64, .fp = low + PAGE - 8}, &record);
    CHECK_INT(record.depth, 1);
    munmap(two, PAGE);
    footing_forget();
}

/* A refresh, whatever it finds, forgets: stacks of threads that have ended are gone a moment later. */
static void a_refresh_forgets(void)
{
    const uint64_t low = UINT64_C(0x7ffe12340000);
    struct saferead found = {low, low + 5 * PAGE};
    footing_keep(low, &found, footing_time());
    modules_refresh(NULL);
    CHECK(footing_at(low).high == 0);
}

static void *keep_and_forget(void *arg)
{
    const uint64_t low = UINT64_C(0x7ffe12340000);
    uint64_t bad = 0;
    for (uint64_t i = 1; i < 200000; i++) {
        uint64_t page = low + (i % 700) * PAGE;
        struct saferead found = {page, page + (1 + i % 700) * PAGE}, known = footing_at(page);
        bad += known.high && (known.low != page || known.high != found.high);
        footing_keep(page, &found, footing_time());
        if (arg && i % 100 == 0)
            footing_forget();
    }
    return (void *)(uintptr_t)bad;
}

static void entries_are_whole(void)
{
    pthread_t threads[3];
    void *bad;
    for (size_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, keep_and_forget, i ? NULL : &threads);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], &bad);
        CHECK(!bad);
    }
    footing_forget();
}

int main(void)
{
    modules_refresh(NULL);
    what_was_kept_is_known_from_its_page();
    what_begins_with_the_next_page_does_so_again();
    what_does_not_hold_sp_is_not_kept();
    a_guess_asks_again();
    a_refresh_forgets();
    entries_are_whole();
    return check_done();
}
