#include "encode/undump.h"

#include "base/labels.h"
#include "encode/dump.h"
#include "encode/pprof.h"
#include "profile/merge.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct dump {
    const char *bytes;
    size_t n;
    pid_t pid; /* of the program, which waits while its dump is read; 0: unknown */
    struct dump_head head;
};

/* The part at *at, which is moved behind it; false at the end, and where it does not fit. */
static bool next_part(const struct dump *d, size_t *at, struct dump_part *part, const char **bytes)
{
    *part = (struct dump_part){0};
    *bytes = NULL;
    if (!d->bytes || d->n - *at < sizeof *part)
        return false;
    memcpy(part, d->bytes + *at, sizeof *part);
    size_t left = d->n - *at - sizeof *part;
    if (part->bytes > left)
        return false;
    *bytes = d->bytes + *at + sizeof *part;
    size_t padded = (part->bytes + 7) & ~(size_t)7;
    *at += sizeof *part + (padded < left ? padded : left);
    return true;
}

static FILE *open_maps(void *self)
{
    const struct dump *d = self;
    struct dump_part part;
    const char *bytes;
    for (size_t at = sizeof d->head; next_part(d, &at, &part, &bytes);)
        if (part.kind == DUMP_MAPS)
            return fmemopen((void *)(uintptr_t)bytes, part.bytes, "r");
    errno = ENODATA;
    return NULL;
}

static bool read_memory(void *self, uint64_t address, void *into, size_t n)
{
    const struct dump *d = self;
    struct dump_part part;
    const char *bytes;
    for (size_t at = sizeof d->head; next_part(d, &at, &part, &bytes);) {
        uint64_t start;
        if (part.kind != DUMP_MEMORY || part.bytes < sizeof start)
            continue;
        memcpy(&start, bytes, sizeof start);
        uint64_t room = part.bytes - sizeof start;
        if (address >= start && address - start <= room && n <= room - (address - start)) {
            memcpy(into, bytes + sizeof start + (address - start), n);
            return true;
        }
    }
    return false;
}

static pid_t pid_of(void *self)
{
    return ((const struct dump *)self)->pid;
}

/* The dump comes out of a program that may have written over anything. What passes here is CPU time that can be: 146
 * years of a core, so that two such times can still be added up. */
#define NS_MAX   (INT64_C(1) << 62)
#define NS_PER_S INT64_C(1000000000)

static bool is_time(int64_t ns)
{
    return ns >= 0 && ns <= NS_MAX;
}

/* Ticks are multiplied by their period. */
static bool is_count(uint64_t ticks, uint32_t hz)
{
    return ticks <= (uint64_t)(NS_MAX / (NS_PER_S / (hz ? hz : CPU_HZ_DEFAULT)));
}

static bool is_believable(const struct dump_head *head)
{
    const struct cpu_stats *s = &head->facts.stats;
    return s->hz <= CPU_HZ_MAX && is_count(s->ticks, s->hz) && is_count(s->lost_ring_full, s->hz) &&
           s->threads_covered <= INT32_MAX && is_time(s->process_cpu_ns) && is_time(s->uncovered_cpu_ns) &&
           is_time(s->kernel_cpu_ns) && head->facts.vacated.n <= VACATED_MAX;
}

/* All weights of a dump together are no more than one may be, or some of them are damaged. */
static bool add_weight(int64_t sum[STACKTAB_WEIGHTS], const int64_t weight[STACKTAB_WEIGHTS])
{
    for (size_t i = 0; i < STACKTAB_WEIGHTS; i++)
        if (!is_time(weight[i]) || weight[i] > NS_MAX - sum[i])
            return false;
    for (size_t i = 0; i < STACKTAB_WEIGHTS; i++)
        sum[i] += weight[i];
    return true;
}

/* Newest first, as they were listed: so that of equal keys, which are none of ours, the first would win again. */
static uint32_t read_labels(const char *bytes, size_t n)
{
    const char *texts[2 * LABELS_MAX_DEPTH];
    size_t found = 0;
    uint32_t set = 0;
    for (const char *end; found < 2 * LABELS_MAX_DEPTH && (end = memchr(bytes, 0, n)); bytes = end + 1) {
        texts[found++] = bytes;
        n -= (size_t)(end - bytes) + 1;
    }
    for (found &= ~(size_t)1; found; found -= 2) {
        uint32_t with = labels_with(set, texts[found - 2], texts[found - 1]);
        set = with ? with : set;
    }
    return set;
}

/* Whatever stands behind a name's end, equal names are equal. */
static struct stack_key read_key(const struct dump_stack *s, const char *labels)
{
    struct stack_key key = {.flags = s->flags, .labels = read_labels(labels, s->label_bytes)};
    memcpy(key.thread, s->thread, strnlen(s->thread, sizeof key.thread - 1));
    return key;
}

static void collect_stacks(const struct dump *d, struct collect *c)
{
    struct dump_part part;
    const char *bytes;
    int64_t sum[STACKTAB_WEIGHTS] = {0};
    if (add_weight(sum, d->head.refused))
        memcpy(c->stacks.refused, sum, sizeof sum);
    for (size_t at = sizeof d->head; next_part(d, &at, &part, &bytes);) {
        struct dump_stack s;
        uint64_t pc[RECORD_MAX_FRAMES];
        if (part.kind != DUMP_STACK || part.bytes < sizeof s)
            continue;
        memcpy(&s, bytes, sizeof s);
        size_t pc_bytes = s.depth * sizeof pc[0];
        if (s.depth > RECORD_MAX_FRAMES || part.bytes - sizeof s < pc_bytes ||
            part.bytes - sizeof s - pc_bytes < s.label_bytes || !add_weight(sum, s.weight))
            continue;
        memcpy(pc, bytes + sizeof s, pc_bytes);
        struct stack_key key = read_key(&s, bytes + sizeof s + pc_bytes);
        stacktab_add(&c->stacks, &key, pc, s.depth, s.weight);
    }
}

static enum status fill(struct dump *d, const char *program_link, struct model *m, struct reason *why)
{
    struct process process = {
        .open_maps = open_maps, .read = read_memory, .program_link = program_link, .pid = pid_of, .self = d};
    int pid;
    struct collect c;
    if (sscanf(program_link, "/proc/%d/", &pid) == 1)
        d->pid = pid;
    enum status status = collect_init(&c);
    if (status)
        return status;
    collect_stacks(d, &c);
    status = cpu_profile_fill(&d->head.facts, &c, &process, m, why);
    collect_fini(&c);
    return status;
}

static enum status open_dump(int fd, struct dump *d, struct reason *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return status_because(why, STATUS_SYSTEM, "cannot read the dump: %s", strerror(errno));
    *d = (struct dump){.n = (size_t)st.st_size};
    if (d->n < sizeof d->head)
        return status_because(why, STATUS_MALFORMED, "the dump is incomplete");
    void *bytes = mmap(NULL, d->n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return status_because(why, STATUS_SYSTEM, "cannot read the dump: %s", strerror(errno));
    d->bytes = bytes;
    memcpy(&d->head, bytes, sizeof d->head);
    if (d->head.magic == DUMP_MAGIC && d->head.bytes == d->n && is_believable(&d->head))
        return STATUS_OK;
    munmap(bytes, d->n);
    return status_because(why, STATUS_MALFORMED, "the dump is incomplete, damaged or of another version");
}

static enum status write_sum(const struct model *const both[2], struct buf *out, struct reason *why)
{
    const double once[] = {1, 1};
    struct model sum = {0};
    enum status status = merge_models(both, once, 2, &sum, why);
    if (status)
        return status;
    status = pprof_write(&sum, out, why);
    model_fini(&sum);
    return status;
}

/* The latest image comes first: a profile bears the name of its first program. One in which nothing was seen, as a
 * shell that only starts another program, would add but its remarks. */
static enum status add_earlier(const void *earlier, size_t n, const struct model *m, struct buf *out,
                               struct reason *why)
{
    struct model before = {0};
    enum status status = pprof_read(earlier, n, &before, why);
    if (status)
        return status;
    if (!before.n_samples)
        status = pprof_write(m, out, why);
    else if (!m->n_samples)
        status = pprof_write(&before, out, why);
    else
        status = write_sum((const struct model *[]){m, &before}, out, why);
    model_fini(&before);
    return status;
}

enum status undump(int fd, const char *program_link, const void *earlier, size_t n, struct buf *out, struct reason *why)
{
    struct dump d = {0};
    struct model m;
    enum status status = open_dump(fd, &d, why);
    if (status)
        return status;
    status = model_init(&m);
    if (!status) {
        status = fill(&d, program_link, &m, why);
        if (!status)
            status = n ? add_earlier(earlier, n, &m, out, why) : pprof_write(&m, out, why);
        model_fini(&m);
    }
    munmap((void *)(uintptr_t)d.bytes, d.n);
    return status;
}
