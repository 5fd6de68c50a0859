#include "vars/published.h"

#include <string.h>

static const char *const kept[] = {"cmdline", "cprof", "memstats"};

struct var *published(void)
{
    static _Atomic(struct var *) root;
    struct var *map = atomic_load_explicit(&root, memory_order_acquire), *first = NULL;
    if (map || !(map = var_new(VAR_MAP)))
        return map;
    if (atomic_compare_exchange_strong(&root, &first, map))
        return map;
    var_drop(map);
    return first;
}

static bool is_kept(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strlen(kept[i]) == n && memcmp(kept[i], name, n) == 0)
            return true;
    return false;
}

/* Go's words. */
static enum status reuse(struct reason *why, const char *name, size_t n)
{
    int shown = n > 180 ? 180 : (int)n;
    return status_because(why, STATUS_IN_USE, "Reuse of exported var name: %.*s", shown, name);
}

enum status published_add(const char *name, size_t n, struct var *v, struct reason *why)
{
    struct var *names = published();
    if (!names)
        return STATUS_NOMEM;
    enum status status = is_kept(name, n) ? STATUS_IN_USE : map_put_new(names, name, n, v);
    if (status != STATUS_IN_USE)
        return status;
    struct var *there = map_get(names, name, n);
    bool same = v && there == v;
    var_drop(there);
    return same ? STATUS_OK : reuse(why, name, n);
}

enum status published_add_own(const char *name, void (*json)(struct buf *out), void (*metrics)(struct buf *out))
{
    struct var *names = published(), *v = names ? var_new_own(json, metrics) : NULL;
    enum status status = v ? map_put_new(names, name, strlen(name), v) : STATUS_NOMEM;
    var_drop(v);
    return status;
}

void published_withdraw(const char *name, size_t n)
{
    map_delete(published(), name, n);
}
