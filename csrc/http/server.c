#include "http/server.h"

#include "base/atfork.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/address.h"
#include "http/call.h"
#include "http/loop.h"
#include "http/opening.h"
#include "http/registry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum state { OFF, ON, ENDING };

#define SIDES 2

/* What a side has. */
struct side {
    bool open;
    int door; /* of the loop; both may have the same */
    struct policy policy;
    char text[ADDRESS_ROOM];
};

static struct lock server_lock = LOCK_INIT(LOCK_SERVER);

/* guarded by server_lock */
static enum state state;
static pid_t owner; /* the process that started the loop */
static struct side sides[SIDES];
static struct policy last[SIDES]; /* of a side that was open, for server_start_again */

static _Atomic uint32_t ended; /* how many loops have ended; server_stop sleeps on it */

static void forget_sides(void)
{
    memset(sides, 0, sizeof sides);
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&server_lock);
    loop_after_fork_child();
    state = OFF;
    forget_sides();
}

static const struct atfork_hooks fork_hooks = {
    .rank = LOCK_SERVER, .lock = &server_lock, .after_child = after_fork_child};

/* A child of _Fork() may have copied the lock while somebody held it. */
static void enter(void)
{
    atfork_settle();
    lock_take(&server_lock);
}

static void on_ending(void)
{
    lock_take(&server_lock);
    state = ENDING;
    forget_sides();
    lock_drop(&server_lock);
}

static void server_thread(void *unused)
{
    (void)unused;
    enum loop_begun begun = loop_begin();
    if (begun == LOOP_REFUSED)
        return;
    if (begun == LOOP_SERVES)
        loop_run(on_ending);
    lock_take(&server_lock);
    state = OFF;
    atomic_fetch_add(&ended, 1);
    lock_drop(&server_lock);
    lock_wake_word(&ended);
}

/* With the first listener come the loop and its thread. Until that has answered it wants no lock. */
static enum status start_loop(const struct opening *wanted, struct opened *o)
{
    registry_prepare();
    opening_first(wanted);
    owner = getpid();
    enum status s = thread_start("cprof-http", server_thread, NULL, &o->why);
    if (s)
        return s;
    if (!opening_wait(o)) {
        state = ENDING; /* when it comes to it: it will find that nobody waits */
        return status_because(&o->why, STATUS_SYSTEM, "the server's thread does not answer");
    }
    if (o->status == STATUS_OK)
        state = ON;
    return o->status;
}

static enum status ask_loop(const struct opening *wanted, struct opened *o)
{
    if (!opening_ask(wanted))
        return status_because(&o->why, STATUS_BUSY, "the server is still being closed");
    loop_wake();
    if (!opening_wait(o))
        return status_because(&o->why, STATUS_SYSTEM, "the server's thread does not answer");
    return o->status;
}

static enum status open_at(const struct opening *wanted, struct side *side, struct reason *why)
{
    struct opened o = {0};
    enum status s = state == OFF ? start_loop(wanted, &o) : ask_loop(wanted, &o);
    if (s)
        return status_because(why, s, "%s", o.why.text);
    *side = (struct side){.open = true, .door = o.door, .policy = wanted->policy};
    memcpy(side->text, o.text, sizeof side->text);
    return STATUS_OK;
}

/* The same address, and nothing said of who is let in there that it does not have. */
static bool is_what(const struct opening *wanted, const struct side *side)
{
    static const struct policy plain;
    char text[ADDRESS_ROOM];
    address_print(&wanted->address, text);
    return strcmp(side->text, text) == 0 && (memcmp(&wanted->policy, &side->policy, sizeof side->policy) == 0 ||
                                             memcmp(&wanted->policy, &plain, sizeof plain) == 0);
}

static bool listens(const struct side *side)
{
    return state == ON && side->open && loop_listens(side->door);
}

static enum status open_side(enum server_side which, const struct opening *wanted, struct reason *why)
{
    struct side *side = &sides[which];
    if (state == ENDING)
        return status_because(why, STATUS_BUSY, "the server is still being closed");
    if (side->open && which == SERVER_OUTSIDE)
        return STATUS_OK;
    if (side->open)
        return status_because(why, STATUS_BUSY, "a server is already running on %s", side->text);
    if (which == SERVER_INSIDE && listens(&sides[SERVER_OUTSIDE]) && is_what(wanted, &sides[SERVER_OUTSIDE])) {
        *side = sides[SERVER_OUTSIDE];
        return STATUS_OK;
    }
    return open_at(wanted, side, why);
}

static enum status start_side(enum server_side side, struct opening *wanted, const char *address, struct reason *why)
{
    enum status s = address_parse(address, &wanted->address, why);
    if (!s)
        s = policy_admits(&wanted->policy, &wanted->address, address, why);
    if (s)
        return s;
    call_need();
    atfork_register(&fork_hooks);
    enter();
    s = open_side(side, wanted, why);
    if (!s)
        last[side] = sides[side].policy;
    lock_drop(&server_lock);
    return s;
}

enum status server_start_with(enum server_side side, const char *address, const struct policy_wish *wish,
                              struct reason *why)
{
    struct opening wanted = {0};
    enum status s = policy_read(wish, &wanted.policy, why);
    if (!s)
        s = start_side(side, &wanted, address, why);
    explicit_bzero(&wanted.policy, sizeof wanted.policy);
    return s;
}

enum status server_start(enum server_side side, const char *address, struct reason *why)
{
    return server_start_with(side, address, &(struct policy_wish){0}, why);
}

enum status server_start_again(enum server_side side, const char *address, struct reason *why)
{
    enter();
    struct opening wanted = {.policy = last[side]};
    lock_drop(&server_lock);
    return start_side(side, &wanted, address, why);
}

enum status server_address(enum server_side side, char *text, size_t room)
{
    enter();
    bool on = listens(&sides[side]);
    if (on && room)
        snprintf(text, room, "%s", sides[side].text);
    lock_drop(&server_lock);
    return on ? STATUS_OK : STATUS_NOT_RUNNING;
}

/* Closes what only this side has; which door is then to be waited for, -1: none. */
static int shut_side(struct side *side, const struct side *other)
{
    side->open = false;
    if (!other->open) {
        state = ENDING;
        loop_ask_stop();
    } else if (other->door != side->door) {
        loop_shut(side->door);
        return side->door;
    }
    return -1;
}

enum status server_stop(enum server_side which)
{
    if (thread_is_ours(gettid()))
        return STATUS_INVALID;
    enter();
    struct side *side = &sides[which];
    bool was_open = state == ON && side->open;
    uint32_t seen = atomic_load(&ended);
    int door = was_open ? shut_side(side, &sides[which == SERVER_INSIDE ? SERVER_OUTSIDE : SERVER_INSIDE]) : -1;
    bool ending = state == ENDING;
    lock_drop(&server_lock);
    if (door >= 0)
        loop_wait_shut(door);
    while (ending && atomic_load(&ended) == seen)
        lock_wait_word(&ended, seen, -1);
    return was_open ? STATUS_OK : STATUS_NOT_RUNNING;
}

void server_stop_all(void)
{
    server_stop(SERVER_INSIDE);
    server_stop(SERVER_OUTSIDE);
}

/* The loop may be in the middle of anything, and so may the thread that calls exit(). */
__attribute__((destructor)) static void at_exit(void)
{
    if (!lock_take_within(&server_lock, 0))
        return;
    if (state == ON && owner == getpid())
        loop_leave();
    lock_drop(&server_lock);
}
