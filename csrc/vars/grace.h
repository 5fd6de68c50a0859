/*
 * When may memory be freed that threads read without a lock? Once all that were reading when it was taken out of
 * reach have been seen outside. Readers count themselves in cells, in one of two phases; whoever retires something
 * looks at the cells, and frees what every cell has been seen at zero since. Nobody ever waits for a reader.
 *
 * One for each copy of this room (the front's, the core's), on a page that the kernel zeroes in a child of fork: there
 * the lock is free and nobody reads, whatever the parent's threads were doing, and however the child was made. What
 * the lock protects is changed by single stores only, so it is sound in a child at any moment.
 *
 * Any thread, but in no signal handler.
 */
#ifndef CPROF_VARS_GRACE_H
#define CPROF_VARS_GRACE_H

/* The head of everything that is retired. */
struct garbage {
    struct garbage *next;
    void (*free)(struct garbage *self);
};

struct grace;

/* This copy's; NULL when there is no memory for it. */
struct grace *grace_own(void);

/* What was reachable after enter stays readable until leave, which takes what enter gave. They nest, in any order; in
 * between memory may be allocated, but nothing waited for. */
unsigned grace_enter(struct grace *g);
void grace_leave(struct grace *g, unsigned cell);

/* old is out of reach of those who enter from now on: frees it, now or with a later retirement. NULL is nothing. Not
 * under the lock: freeing calls the program's allocator. */
void grace_retire(struct grace *g, struct garbage *old);

/* The one lock of all that write. It is held for moments: nobody allocates or calls out under it. */
void grace_lock(struct grace *g);
void grace_unlock(struct grace *g);

#endif
