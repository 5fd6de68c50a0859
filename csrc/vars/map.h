/*
 * Maps of variables: an open-addressing table behind an atomic pointer, of entries that never change. Finding, and so
 * adding to what is there, takes no lock; putting in and taking out are single stores under grace_lock, and what they
 * leave behind is retired. Deleted slots are used again, or left behind when the table is made anew.
 *
 * Keys are any bytes. The functions do nothing to what is not a map.
 */
#ifndef CPROF_VARS_MAP_H
#define CPROF_VARS_MAP_H

#include "base/status.h"
#include "vars/var.h"

struct map_entry {
    struct garbage garbage;
    struct var *value; /* a reference; NULL is a value too */
    uint64_t hash;
    size_t n;
    char key[];
};

/* All entries of one moment, sorted by the bytes of their keys. */
struct map_order {
    struct garbage garbage;
    size_t n;
    struct map_entry *at[];
};

/* Adds to the number under key, which is made when there is none; nothing happens to what is of another kind. */
enum status map_add_int(struct var *map, const char *key, size_t n, int64_t delta);
enum status map_add_float(struct var *map, const char *key, size_t n, double delta);

/* Takes a reference to value, which may be NULL. */
enum status map_set(struct var *map, const char *key, size_t n, struct var *value);

/* The same, but IN_USE where there is something under key. */
enum status map_put_new(struct var *map, const char *key, size_t n, struct var *value);

/* With a reference of the caller's; NULL: nothing there, or nil. */
struct var *map_get(struct var *map, const char *key, size_t n);

/* Is there an entry, be it nil? And how many are there? */
bool map_has(struct var *map, const char *key, size_t n);
size_t map_count(struct var *map);

void map_delete(struct var *map, const char *key, size_t n);
void map_clear(struct var *map);

/* For whoever has entered map->grace: the order, valid until leaving, kept by the map until the next key comes or
 * goes. *own is to be given to map_order_free; NULL: out of memory. */
const struct map_order *map_sorted(struct var *map, struct map_order **own);
void map_order_free(struct map_order *own);

/* For var_drop: gives over the references to all values, then is empty. */
void map_let_go(struct var *map, void (*take)(void *arg, struct var *value), void *arg);
void map_fini(struct var *map);

#endif
