/* A dump tells what was collected; a damaged one is an error, or at worst another profile, and never a crash. */
#include "base/labels.h"
#include "check.h"
#include "encode/dump.h"
#include "encode/pprof.h"
#include "encode/undump.h"
#include "profile/process.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMAGES 1500

static const struct cpu_facts facts = {
    .started_ns = INT64_C(1700000000000000000),
    .duration_ns = 5000000000,
    .stats = {.samples = 7, .ticks = 10, .hz = 100, .threads_covered = 1, .process_cpu_ns = 100000000},
};

static int new_file(void)
{
    int fd = memfd_create("test", 0);
    if (fd < 0)
        abort();
    return fd;
}

/* Two stacks in this program's own code, of ours and main's, and weight that found no room. */
static int dump(void)
{
    struct collect c;
    if (collect_init(&c) != STATUS_OK)
        abort();
    const struct stack_key plain = {0},
                           labelled = {.labels = labels_with(labels_with(0, "k", "v"), "key", "value"), .thread = "t"};
    uint64_t one[] = {(uint64_t)(uintptr_t)&dump + 1, (uint64_t)(uintptr_t)&new_file + 1}, other[] = {1, 2, 3};
    stacktab_add(&c.stacks, &plain, one, 2, (int64_t[]){3, 30000000});
    stacktab_add(&c.stacks, &plain, one, 2, (int64_t[]){1, 10000000});
    stacktab_add(&c.stacks, &labelled, one, 2, (int64_t[]){0, 0});
    stacktab_add(&c.stacks, &(struct stack_key){.flags = RECORD_TRUNCATED}, other, 3, (int64_t[]){5, 50000000});
    stacktab_add(&c.stacks, &plain, other, 0, (int64_t[]){0, 0});
    c.stacks.refused[0] = 1;
    c.stacks.refused[1] = 10000000;
    int fd = new_file();
    CHECK(dump_write(fd, &facts, &c));
    collect_fini(&c);
    return fd;
}

static enum status undumped(int fd, const struct buf *earlier, struct buf *out)
{
    struct reason why = {0};
    return undump(fd, "/proc/self/exe", earlier ? earlier->data : NULL, earlier ? earlier->len : 0, out, &why);
}

static struct model read_profile(const struct buf *bytes)
{
    struct model m;
    struct reason why = {0};
    if (pprof_read(bytes->data, bytes->len, &m, &why) != STATUS_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    return m;
}

/* Of the samples whose leaf is called so ("" for any). */
static int64_t ticks_of(const struct model *m, const char *name)
{
    int64_t sum = 0;
    for (size_t s = 0; s < m->n_samples; s++) {
        uint64_t at = m->stack_start.at[s];
        uint32_t location = m->stack.at[at];
        uint64_t line = m->line_start.at[location];
        bool named = line < m->line_start.at[location + 1];
        uint32_t function = named ? m->line_function.at[line] : 0;
        const char *leaf = named ? strtab_at(&m->strings, m->function_name.at[function]) : "?";
        if (!*name || strcmp(leaf, name) == 0)
            sum += m->values.at[s * m->n_types];
    }
    return sum;
}

static const char *text_label(const struct model *m, size_t sample, const char *key)
{
    for (uint64_t i = m->label_start.at[sample]; i < m->label_start.at[sample + 1]; i++)
        if (strcmp(strtab_at(&m->strings, m->label_key.at[i]), key) == 0)
            return m->label_str.at[i] == MODEL_NONE ? "a number" : strtab_at(&m->strings, m->label_str.at[i]);
    return "";
}

/* The innermost of each key, and the thread's name where the program has no such label. */
static void labels_come_back(void)
{
    struct collect c;
    struct buf bytes = {0};
    uint64_t pc[] = {(uint64_t)(uintptr_t)&dump + 1};
    if (collect_init(&c) != STATUS_OK)
        abort();
    uint32_t outer = labels_with(0, "request", "outer"), inner = labels_with(outer, "step", "a \"b\"");
    inner = labels_with(inner, "request", "inner");
    struct stack_key keys[] = {{.labels = inner, .thread = "fifteen letters"},
                               {.labels = outer, .thread = "worker"},
                               {.thread = "worker"},
                               {.labels = labels_with(0, "thread", "mine"), .thread = "worker"}};
    for (int i = 0; i < 4; i++)
        stacktab_add(&c.stacks, &keys[i], pc, 1, (int64_t[]){1 << i, 1});
    int fd = new_file();
    CHECK(dump_write(fd, &facts, &c));
    CHECK_INT(undumped(fd, NULL, &bytes), STATUS_OK);
    struct model m = read_profile(&bytes);
    int64_t seen = 0;
    for (size_t s = 0; s < m.n_samples; s++) {
        int64_t ticks = m.values.at[s * m.n_types];
        const char *want[][3] = {[1] = {"inner", "a \"b\"", "fifteen letters"},
                                 [2] = {"outer", "", "worker"},
                                 [4] = {"", "", "worker"},
                                 [8] = {"", "", "mine"}};
        if (ticks != 1 && ticks != 2 && ticks != 4 && ticks != 8)
            continue;
        seen += ticks;
        CHECK_STR(text_label(&m, s, "request"), want[ticks][0]);
        CHECK_STR(text_label(&m, s, "step"), want[ticks][1]);
        CHECK_STR(text_label(&m, s, "thread"), want[ticks][2]);
    }
    CHECK_INT(seen, 15);
    model_fini(&m);
    buf_fini(&bytes);
    collect_fini(&c);
    close(fd);
}

static void everything_comes_back(void)
{
    struct buf bytes = {0}, sum = {0};
    int fd = dump();
    CHECK_INT(undumped(fd, NULL, &bytes), STATUS_OK);
    struct model m = read_profile(&bytes);
    CHECK_INT(m.time_nanos, facts.started_ns);
    CHECK_INT(m.duration_nanos, facts.duration_ns);
    CHECK_INT(m.period, 10000000);
    CHECK_INT(ticks_of(&m, "dump"), 4);
    CHECK_INT(ticks_of(&m, "<lost: too many stacks>"), 1);
    CHECK_INT(ticks_of(&m, ""), 10);
    CHECK(m.n_mappings >= 1);
    CHECK(strstr(strtab_at(&m.strings, m.mapping_filename.at[0]), "test_dump") != NULL);
    model_fini(&m);
    /* Added to an earlier image's. */
    CHECK_INT(undumped(fd, &bytes, &sum), STATUS_OK);
    m = read_profile(&sum);
    CHECK_INT(ticks_of(&m, "dump"), 8);
    CHECK_INT(ticks_of(&m, ""), 20);
    model_fini(&m);
    buf_fini(&bytes);
    buf_fini(&sum);
    close(fd);
}

/* The head of each mapped file, and the vdso, lie in it as they do in memory: build ids come from there. */
static void memory_is_in_it(void)
{
    int fd = dump();
    struct stat st;
    fstat(fd, &st);
    size_t heads = 0, at = sizeof(struct dump_head);
    char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    while (at + sizeof(struct dump_part) <= (size_t)st.st_size) {
        struct dump_part part;
        memcpy(&part, bytes + at, sizeof part);
        const char *content = bytes + at + sizeof part;
        uint64_t address;
        memcpy(&address, content, sizeof address);
        if (part.kind == DUMP_MEMORY) {
            heads += memcmp(content + sizeof address, "\177ELF", 4) == 0;
            /* By a system call: ThreadSanitizer cannot look at all that is mapped. */
            size_t n = part.bytes - sizeof address;
            char *there = malloc(n);
            CHECK(process_self.read(NULL, address, there, n) && memcmp(content + sizeof address, there, n) == 0);
            free(there);
        }
        if (part.kind == DUMP_MAPS)
            CHECK(memmem(content, part.bytes, "/test_dump", 10) && memmem(content, part.bytes, "[stack]", 7));
        at += sizeof part + ((part.bytes + 7) & ~(size_t)7);
    }
    CHECK_INT(at, st.st_size);
    CHECK(heads >= 3); /* the program, libc, the loader */
    munmap(bytes, (size_t)st.st_size);
    close(fd);
}

/* 2^32 ticks are 120 hours of a core at 10,000 Hz: the profile of a server of 64 cores was refused after two. */
static void a_long_run_is_believed(void)
{
    static const struct {
        uint32_t hz;
        int64_t core_hours;
    } runs[] = {{10000, 64 * 24 * 365}, {100, 64 * 24 * 365}, {1, 64 * 24 * 365}, {100, 11930}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct collect c;
        struct cpu_facts long_run = facts;
        struct buf bytes = {0}, sum = {0};
        uint64_t pc[] = {(uint64_t)(uintptr_t)&dump + 1};
        int64_t ns = runs[i].core_hours * 3600 * INT64_C(1000000000), ticks = runs[i].core_hours * 3600 * runs[i].hz;
        long_run.stats.hz = runs[i].hz;
        long_run.stats.process_cpu_ns = ns;
        long_run.stats.ticks = (uint64_t)ticks;
        if (collect_init(&c) != STATUS_OK)
            abort();
        stacktab_add(&c.stacks, &(struct stack_key){0}, pc, 1, (int64_t[]){ticks, ns});
        int fd = new_file();
        CHECK(dump_write(fd, &long_run, &c));
        CHECK_INT(undumped(fd, NULL, &bytes), STATUS_OK);
        CHECK_INT(undumped(fd, &bytes, &sum), STATUS_OK);
        struct model m = read_profile(&bytes), twice = read_profile(&sum);
        CHECK_INT(ticks_of(&m, "dump"), ticks);
        CHECK_INT(ticks_of(&m, ""), ticks);
        CHECK_INT(ticks_of(&twice, "dump"), 2 * ticks);
        model_fini(&m);
        model_fini(&twice);
        buf_fini(&bytes);
        buf_fini(&sum);
        collect_fini(&c);
        close(fd);
    }
}

/* More than can be, in two stacks that are one when they come back. */
static void weights_do_not_overflow(void)
{
    struct collect c;
    struct buf bytes = {0};
    uint64_t pc[] = {(uint64_t)(uintptr_t)&dump + 1};
    const int64_t most = INT64_C(1) << 62;
    if (collect_init(&c) != STATUS_OK)
        abort();
    stacktab_add(&c.stacks, &(struct stack_key){.thread = "t"}, pc, 1, (int64_t[]){most, most});
    stacktab_add(&c.stacks, &(struct stack_key){.thread = "u"}, pc, 1, (int64_t[]){most, most});
    c.stacks.refused[0] = c.stacks.refused[1] = 1;
    int fd = new_file();
    CHECK(dump_write(fd, &facts, &c));
    CHECK_INT(undumped(fd, NULL, &bytes), STATUS_OK);
    struct model m = read_profile(&bytes);
    int64_t ticks = ticks_of(&m, "");
    CHECK(ticks >= 0 && ticks < most);
    model_fini(&m);
    buf_fini(&bytes);
    collect_fini(&c);
    close(fd);
}

static void an_earlier_profile_that_is_none(void)
{
    struct buf bytes = {0}, rubbish = {0};
    int fd = dump();
    buf_put(&rubbish, "rubbish", 7);
    CHECK(undumped(fd, &rubbish, &bytes) != STATUS_OK);
    buf_fini(&bytes);
    buf_fini(&rubbish);
    close(fd);
}

static void one_that_was_cut_is_refused(void)
{
    struct stat st;
    int fd = dump();
    fstat(fd, &st);
    for (off_t left = 0; left < st.st_size; left += left < 600 ? 7 : 1009) {
        struct buf bytes = {0};
        int cut = new_file();
        char *all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (write(cut, all, (size_t)left) != left)
            abort();
        CHECK_INT(undumped(cut, NULL, &bytes), STATUS_MALFORMED);
        munmap(all, (size_t)st.st_size);
        buf_fini(&bytes);
        close(cut);
    }
    close(fd);
}

/* The first part is a stack. Made deeper than any, with room for that in the file; made the text of what is mapped, and
 * longer than the file. */
static void parts_are_bounded(void)
{
    const struct dump_part deep = {.kind = DUMP_STACK, .bytes = 8 * 2048},
                           beyond = {.kind = DUMP_MAPS, .bytes = 1 << 24};
    const off_t first = sizeof(struct dump_head);
    uint32_t depth = 2000;
    struct buf bytes = {0};
    int fd = dump();
    if (pwrite(fd, &deep, sizeof deep, first) < 0 ||
        pwrite(fd, &depth, sizeof depth, first + (off_t)sizeof deep + (off_t)offsetof(struct dump_stack, depth)) < 0)
        abort();
    CHECK(undumped(fd, NULL, &bytes) != STATUS_OK || bytes.len);
    if (pwrite(fd, &beyond, sizeof beyond, first) < 0)
        abort();
    CHECK(undumped(fd, NULL, &bytes) != STATUS_OK);
    buf_fini(&bytes);
    close(fd);
}

static uint64_t state = 1;

static uint64_t any(uint64_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % n;
}

/* Any bytes in any place; sizes and counts most of all. */
static void damage(int fd, off_t size)
{
    static const uint64_t values[] = {0, 1, 7, 129, 0xffffffff, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN};
    for (uint64_t n = 1 + any(4); n; n--) {
        uint64_t value = any(2) ? values[any(8)] : any(UINT32_MAX) << any(32);
        off_t room = any(3) ? (off_t)sizeof(struct dump_head) + 512 : size - 8;
        if (pwrite(fd, &value, 1 + any(8), (off_t)any((uint64_t)room)) < 0)
            abort();
    }
}

static void damaged_ones_crash_nobody(void)
{
    struct stat st;
    int whole = dump(), good = 0;
    fstat(whole, &st);
    char *all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, whole, 0);
    int fd = new_file();
    for (int i = 0; i < DAMAGES; i++) {
        struct buf bytes = {0};
        if (pwrite(fd, all, (size_t)st.st_size, 0) != st.st_size)
            abort();
        damage(fd, st.st_size);
        if (undumped(fd, NULL, &bytes) == STATUS_OK) {
            struct model m = read_profile(&bytes);
            good++;
            model_fini(&m);
        }
        buf_fini(&bytes);
    }
    CHECK(good > 0 && good < DAMAGES); /* else the damage proves nothing */
    munmap(all, (size_t)st.st_size);
    close(fd);
    close(whole);
}

int main(void)
{
    everything_comes_back();
    labels_come_back();
    memory_is_in_it();
    a_long_run_is_believed();
    weights_do_not_overflow();
    an_earlier_profile_that_is_none();
    one_that_was_cut_is_refused();
    parts_are_bounded();
    damaged_ones_crash_nobody();
    return check_done();
}
