/*
 * The labels of cprof.h. A push finds or makes a set in memory, without the core; where the core is there it reads what
 * is in force from its own side (base/labels).
 */
#include "door/labels.h"

#include "api/cprof.h"
#include "base/labels.h"
#include "door/open.h"

#include <pthread.h>
#include <stdbool.h>

#define PUBLIC __attribute__((visibility("default")))

static bool disabled;

/* A thread's word bears its id, and a fork's child has another. */
__attribute__((constructor)) static void prepare(void)
{
    disabled = open_is_disabled();
    if (!disabled)
        pthread_atfork(NULL, NULL, labels_know_thread);
}

void labels_join(const struct cprof_core *core)
{
    labels_use(core->labels_join(labels_own()));
}

PUBLIC int cprof_labels_push_all(const char *const *pairs)
{
    static const char *const no_pairs[] = {"", NULL};
    if (disabled)
        return CPROF_ERR_DISABLED;
    return labels_push(pairs ? pairs : no_pairs);
}

/* An empty key is refused as a missing one is. */
PUBLIC int cprof_labels_push(const char *key, const char *value)
{
    const char *const pairs[] = {key ? key : "", value, NULL};
    return cprof_labels_push_all(pairs);
}

PUBLIC void cprof_labels_pop(void)
{
    labels_pop();
}
