#include "sampler/threads.h"

#include "base/labels.h"
#include "base/ownmem.h"
#include "base/smallfile.h"
#include "base/thread.h"
#include "sampler/procself.h"
#include "sampler/tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_ROOM 512 /* of stat the first two hundred bytes matter; a line of syscall has 150 */

static bool read_file(uint32_t tid, const char *name, char text[FILE_ROOM])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/%s", tid, name);
    return smallfile_read(path, text, FILE_ROOM);
}

/* "TID (name) S ...": the name may hold anything, brackets too, so its end is the last of them. */
static bool read_stat(uint32_t tid, struct thread_view *v)
{
    char text[FILE_ROOM];
    const char *open, *close;
    if (!read_file(tid, "stat", text) || !(open = strchr(text, '(')) || !(close = strrchr(text, ')')) ||
        close[1] != ' ')
        return false;
    size_t n = (size_t)(close - open) - 1;
    n = n < THREAD_NAME_ROOM ? n : THREAD_NAME_ROOM - 1;
    memcpy(v->name, open + 1, n);
    v->name[n] = '\0';
    v->state = close[2];
    return v->state != 'Z' && v->state != 'X';
}

/* "running", "-1 SP PC" where it waits for no system call, or the call's number, six arguments, SP and PC. */
static void read_call(uint32_t tid, struct thread_view *v)
{
    char text[FILE_ROOM];
    v->call = THREAD_CALL_UNKNOWN;
    if (!read_file(tid, "syscall", text))
        return;
    const char *last = strrchr(text, ' ');
    if (sscanf(text, "%ld", &v->call) != 1 || v->call < 0 || !last)
        v->call = THREAD_CALL_NONE;
    else
        v->pc = strtoull(last, NULL, 16);
}

static bool is_hosts(uint32_t tid)
{
    return !thread_is_ours((pid_t)tid);
}

static bool list(struct vec_u32 *tids)
{
    if (!tasks_list(tids))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < tids->n; i++)
        if (is_hosts(tids->at[i]))
            tids->at[kept++] = tids->at[i];
    tids->n = kept;
    return true;
}

static int by_tid(const void *a, const void *b)
{
    uint32_t x = ((const struct thread_view *)a)->tid, y = ((const struct thread_view *)b)->tid;
    return (x > y) - (x < y);
}

/* The thread may end meanwhile, and its thread-locals with it: the kernel reads what may not be there. What another
 * thread has there by now has another id in it, or none. */
static bool read_word(uintptr_t at, uint32_t *tid, uint32_t *set)
{
    struct label_word word;
    if (!ownmem_read(at, &word, sizeof word))
        return false;
    uint64_t bits = atomic_load_explicit(&word.bits, memory_order_relaxed);
    *tid = (uint32_t)label_tid_in(bits);
    *set = label_set_in(bits);
    return *tid && *set;
}

/* at: by rising tid. */
static void read_labels(struct thread_view *at, size_t n)
{
    const _Atomic uintptr_t *words = labels_words();
    for (size_t i = 0; words && i < LABELS_MAX_WORDS; i++) {
        uintptr_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        struct thread_view wanted, *found;
        if (!word || !read_word(word, &wanted.tid, &wanted.labels))
            continue;
        found = bsearch(&wanted, at, n, sizeof *at, by_tid);
        if (found)
            found->labels = wanted.labels;
    }
}

static int main_first(const void *a, const void *b)
{
    uint32_t x = ((const struct thread_view *)a)->tid, y = ((const struct thread_view *)b)->tid;
    uint32_t first = (uint32_t)getpid();
    if ((x == first) != (y == first))
        return x == first ? -1 : 1;
    return (x > y) - (x < y);
}

enum status threads_view(struct thread_views *out, struct reason *why)
{
    struct vec_u32 tids = {0};
    *out = (struct thread_views){0};
    if (!list(&tids)) {
        vec_u32_fini(&tids);
        return status_because(why, STATUS_SYSTEM, "cannot read /proc/self/task: %s", status_errno(errno));
    }
    out->at = calloc(tids.n + 1, sizeof *out->at);
    for (size_t i = 0; out->at && i < tids.n; i++) {
        struct thread_view *v = &out->at[out->n];
        *v = (struct thread_view){.tid = tids.at[i]};
        if (!read_stat(v->tid, v))
            continue; /* it has ended meanwhile */
        read_call(v->tid, v);
        out->n++;
    }
    vec_u32_fini(&tids);
    if (!out->at)
        return STATUS_NOMEM;
    read_labels(out->at, out->n);
    qsort(out->at, out->n, sizeof *out->at, main_first);
    return STATUS_OK;
}

void threads_fini(struct thread_views *v)
{
    free(v->at);
    *v = (struct thread_views){0};
}

size_t threads_count(void)
{
    struct procself self;
    procself_read(&self);
    uint32_t ours = thread_ours_count();
    return self.threads > ours ? self.threads - ours : 0;
}
