#include "profile/labelrows.h"

#include <stdlib.h>
#include <string.h>

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static size_t add_thread(struct label *list, size_t n, const char *thread)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].key, LABELROWS_THREAD) == 0)
            return n;
    if (*thread)
        list[n++] = (struct label){LABELROWS_THREAD, thread};
    return n;
}

size_t labelrows_list(uint32_t set, const char *thread, struct label out[LABELROWS_MAX])
{
    size_t n = add_thread(out, labels_list(set, out), thread);
    qsort(out, n, sizeof *out, by_key);
    return n;
}

enum status labelrows_make(struct model *m, uint32_t set, const char *thread, struct model_label out[LABELROWS_MAX],
                           size_t *n)
{
    struct label list[LABELROWS_MAX];
    enum status status = STATUS_OK;
    *n = labelrows_list(set, thread, list);
    for (size_t i = 0; i < *n && !status; i++) {
        out[i] = (struct model_label){0};
        status = strtab_intern(&m->strings, list[i].key, &out[i].key);
        if (!status)
            status = strtab_intern(&m->strings, list[i].value, &out[i].str);
    }
    return status;
}
