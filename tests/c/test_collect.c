/* Records to a model, and /proc/self/maps in all its forms. */
#include "check.h"
#include "profile/collect.h"

#include <stdio.h>
#include <stdlib.h>

static const char maps_text[] =
    "00400000-0040b000 r-xp 00001000 fc:01 787766                             /bin/cat\n"
    "0060a000-0060b000 r--p 0000a000 fc:01 787766                             /bin/cat\n"
    "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
    "7f0000002000-7f0000003000 r-xp 00000000 fc:01 7                          /opt/with blank/lib.so (deleted)\n"
    "7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]\n";

static FILE *open_text(void *self)
{
    return fmemopen(self, strlen(self), "r");
}

static struct maps read_text(const char *text)
{
    struct process process = {.open_maps = open_text, .self = (void *)(uintptr_t)text};
    struct maps maps;
    struct reason why;
    CHECK(maps_read(&process, &maps, &why) == STATUS_OK);
    return maps;
}

static size_t frames(void *self, uint64_t address, struct named_frame *out)
{
    (void)self;
    if (address == 0x7f0000000100 || address == 0x300) {
        out[0] = (struct named_frame){.name = "made", .system_name = "made", .file = ""};
        return 1;
    }
    if (address >= 0x405000 || address < 0x400000)
        return 0;
    out[0] =
        (struct named_frame){.name = "leaf", .system_name = "leaf", .file = "a.c", .line = (int64_t)address & 0xff};
    out[1] = (struct named_frame){.name = "outer", .system_name = "outer", .file = "a.c", .line = 9, .start_line = 5};
    return address & 1 ? 2 : 1;
}

static bool build_id(void *self, uint64_t address, char *hex, size_t room)
{
    (void)self;
    snprintf(hex, room, "%s", address == 0x400000 ? "c0ffee" : "");
    return address == 0x400000;
}

static const char unnamed[STACKTAB_NAME_ROOM];

static const struct namer namer = {.frames = frames, .build_id = build_id};

static void maps_have_executable_entries_only(void)
{
    struct maps maps = read_text(maps_text);
    CHECK_INT(maps.n, 4);
    CHECK_STR(maps.at[0].path, "/bin/cat");
    CHECK_INT(maps.at[0].offset, 0x1000);
    CHECK_STR(maps.at[1].path, "[jit]");
    CHECK(maps.at[1].is_anonymous && !maps.at[0].is_anonymous && !maps.at[3].is_anonymous);
    CHECK_STR(maps.at[2].path, "/opt/with blank/lib.so");
    CHECK_STR(maps.at[3].path, "[vdso]");
    CHECK(maps_find(&maps, 0x400000) == &maps.at[0]);
    CHECK(maps_find(&maps, 0x40afff) == &maps.at[0]);
    CHECK(maps_find(&maps, 0x40b000) == NULL);
    CHECK(maps_find(&maps, 0) == NULL);
    CHECK(maps_find(&maps, UINT64_MAX) == NULL);
    maps_fini(&maps);
}

static struct record sample(uint32_t ticks, uint16_t flags, uint16_t depth, uint64_t a, uint64_t b)
{
    struct record r = {.ticks = ticks, .period_ns = 1000, .flags = flags, .depth = depth};
    r.pc[0] = a;
    r.pc[1] = b;
    return r;
}

static bool is_text(const struct strtab *t, const char *text)
{
    for (uint32_t id = 0; id < strtab_count(t); id++)
        if (strcmp(strtab_at(t, id), text) == 0)
            return true;
    return false;
}

static void equal_stacks_add_up_and_flags_say_what_is_true(void)
{
    struct maps maps = read_text(maps_text);
    struct collect c;
    struct model m;
    CHECK(collect_init(&c) == STATUS_OK && model_init(&m) == STATUS_OK);
    model_add_type(&m, "samples", "count");
    model_add_type(&m, "cpu", "nanoseconds");
    struct record r = sample(1, 0, 2, 0x401001, 0x401011);
    collect_put(&c, &r, unnamed, r.ticks, r.period_ns);
    r.ticks = 4; /* missed ticks weigh */
    collect_put(&c, &r, unnamed, r.ticks, r.period_ns);
    r = sample(1, RECORD_TRUNCATED, 1, 0x7f0000002010, 0);
    collect_put(&c, &r, unnamed, r.ticks, r.period_ns);
    r = sample(2, RECORD_PARTIAL, 1, 0x7f0000002010, 0);
    collect_put(&c, &r, unnamed, r.ticks, r.period_ns);
    CHECK(collect_model(&c, &maps, &namer, &m) == STATUS_OK);
    CHECK(collect_add_lost(&m, "<lost: ring full>", 3, 3000) == STATUS_OK);

    CHECK_INT(m.n_samples, 4);
    int64_t ticks = 0, ns = 0;
    for (size_t s = 0; s < m.n_samples; s++) {
        ticks += m.values.at[2 * s];
        ns += m.values.at[2 * s + 1];
    }
    CHECK_INT(ticks, 11);
    CHECK_INT(ns, 11000);
    CHECK(is_text(&m.strings, "<truncated>") && is_text(&m.strings, "<partial>"));
    CHECK_INT(m.n_mappings, 2); /* the vdso was not sampled */
    CHECK_STR(strtab_at(&m.strings, m.mapping_build_id.at[0]), "c0ffee");
    CHECK_INT(m.mapping_flags.at[0],
              MODEL_HAS_FUNCTIONS | MODEL_HAS_FILENAMES | MODEL_HAS_LINE_NUMBERS | MODEL_HAS_INLINE_FRAMES);
    CHECK_INT(m.mapping_flags.at[1], 0);
    /* The leaf keeps its pc, a caller's return address becomes the call's. */
    bool leaf = false, call = false;
    for (size_t l = 0; l < m.n_locations; l++) {
        leaf |= m.location_address.at[l] == 0x401001;
        call |= m.location_address.at[l] == 0x401010;
    }
    CHECK(leaf && call);
    model_fini(&m);
    collect_fini(&c);
    maps_fini(&maps);
}

/* What was made at run time is in a mapping where it has a name, and in none where it has not, as in Go. The program
 * stays the first mapping, though generated code lies below it. */
static void generated_code_is_a_mapping_by_its_name(void)
{
    static const char low[] = "00000000-00001000 rwxp 00000000 00:00 0 \n";
    char text[sizeof low + sizeof maps_text];
    snprintf(text, sizeof text, "%s%s", low, maps_text);
    struct maps maps = read_text(text);
    struct collect c;
    struct model m;
    CHECK(collect_init(&c) == STATUS_OK && model_init(&m) == STATUS_OK);
    model_add_type(&m, "samples", "count");
    model_add_type(&m, "cpu", "nanoseconds");
    static const uint64_t places[] = {0x300, 0x7f0000000100, 0x7f0000000200, 0x401000};
    for (size_t i = 0; i < 4; i++) {
        struct record r = sample(1, 0, 1, places[i], 0);
        collect_put(&c, &r, unnamed, r.ticks, r.period_ns);
    }
    CHECK(collect_model(&c, &maps, &namer, &m) == STATUS_OK);
    CHECK_INT(m.n_mappings, 3);
    CHECK_STR(strtab_at(&m.strings, m.mapping_filename.at[0]), "/bin/cat");
    for (size_t l = 0; l < m.n_locations; l++) {
        uint64_t address = m.location_address.at[l];
        uint32_t mapping = m.location_mapping.at[l];
        if (address == 0x401000)
            CHECK_INT(mapping, 0);
        else if (address == 0x7f0000000200)
            CHECK(mapping == MODEL_NONE);
        else
            CHECK_STR(mapping == MODEL_NONE ? "none" : strtab_at(&m.strings, m.mapping_filename.at[mapping]), "[jit]");
    }
    model_fini(&m);
    collect_fini(&c);
    maps_fini(&maps);
}

int main(void)
{
    maps_have_executable_entries_only();
    equal_stacks_add_up_and_flags_say_what_is_true();
    generated_code_is_a_mapping_by_its_name();
    return check_done();
}
