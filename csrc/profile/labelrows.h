/* The labels of a sample as a model has them: a thread's set (base/labels) and its name. Ordinary threads. */
#ifndef CPROF_PROFILE_LABELROWS_H
#define CPROF_PROFILE_LABELROWS_H

#include "base/labels.h"
#include "profile/model.h"

#define LABELROWS_MAX    (LABELS_MAX_DEPTH + 1)
#define LABELROWS_THREAD "thread" /* the key under which a thread's name stands, unless the program uses it */

/* The labels of the set, and the thread's name; "" for none. The texts go into m. */
enum status labelrows_make(struct model *m, uint32_t set, const char *thread, struct model_label out[LABELROWS_MAX],
                           size_t *n);

/* The same as texts, by rising key. */
size_t labelrows_list(uint32_t set, const char *thread, struct label out[LABELROWS_MAX]);

#endif
