#include "api/last_error.h"

#include "base/lock.h"

#include <stdio.h>

/* The text that was handed out stays as it is while the next few are written elsewhere: a caller on another
 * thread may still be reading it. */
#define KEPT 16

static struct lock keep_lock = LOCK_INIT(LOCK_LEAF);
static struct reason kept[KEPT];
static _Atomic uint32_t latest;

enum status last_error_keep(enum status code, const struct reason *why)
{
    if (code == STATUS_OK)
        return code;
    const char *text = why && why->text[0] ? why->text : status_text(code);
    lock_take(&keep_lock);
    uint32_t next = (atomic_load(&latest) + 1) % KEPT;
    snprintf(kept[next].text, sizeof kept[next].text, "%s", text);
    atomic_store(&latest, next);
    lock_drop(&keep_lock);
    return code;
}

const char *last_error(void)
{
    return kept[atomic_load(&latest)].text;
}
