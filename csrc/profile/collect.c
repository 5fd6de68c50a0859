#include "profile/collect.h"

#include "profile/hash.h"
#include "profile/rowindex.h"

#define TRUNCATED_FRAME "<truncated>"

/* Everything one pass over the stacks needs. */
struct build {
    struct model *out;
    const struct maps *maps;
    const struct namer *namer;
    struct rowindex by_address; /* locations of out */
    struct vec_u32 map_index;   /* maps->at[i] in the model, or MODEL_NONE while unused */
    struct vec_u32 map_unknown; /* of each model mapping: MODEL_HAS_* that some address lacked */
    struct vec_u32 map_inline;  /* of each model mapping: 1 if an address had inlined frames */
    uint32_t truncated;         /* location of the pseudo frame */
};

enum status collect_init(struct collect *c)
{
    return stacktab_init(&c->stacks);
}

void collect_fini(struct collect *c)
{
    stacktab_fini(&c->stacks);
}

void collect_put(struct collect *c, const struct record *record)
{
    const int64_t weight[STACKTAB_WEIGHTS] = {record->ticks, (int64_t)record->ticks * record->period_ns};
    uint32_t cut = record->flags & (RECORD_TRUNCATED | RECORD_PARTIAL) ? 1 : 0;
    stacktab_add(&c->stacks, cut, record->pc, record->depth, weight);
}

static enum status intern_function(struct model *m, const struct named_frame *frame, uint32_t *index)
{
    struct model_function f = {.start_line = frame->start_line};
    enum status status = strtab_intern(&m->strings, frame->name, &f.name);
    if (!status)
        status = strtab_intern(&m->strings, frame->system_name, &f.system_name);
    if (!status)
        status = strtab_intern(&m->strings, frame->file, &f.filename);
    return status ? status : model_add_function(m, &f, index);
}

/* The mapping's row in the model; the table holds those that were sampled, the main program first. */
static enum status intern_map(struct build *b, const struct map *map, uint32_t *index)
{
    uint32_t *known = &b->map_index.at[map - b->maps->at];
    if (*known == MODEL_NONE) {
        struct model_mapping row = {.start = map->start, .limit = map->limit, .offset = map->offset};
        char id[129] = "";
        enum status status = strtab_intern(&b->out->strings, map->path, &row.filename);
        if (!status && b->namer->build_id(b->namer->self, map->start, id, sizeof id))
            status = strtab_intern(&b->out->strings, id, &row.build_id);
        if (!status)
            status = model_add_mapping(b->out, &row, known);
        if (status)
            return status;
        if (!vec_u32_push(&b->map_unknown, 0) || !vec_u32_push(&b->map_inline, 0))
            return STATUS_NOMEM;
    }
    *index = *known;
    return STATUS_OK;
}

static enum status name_location(struct build *b, uint64_t address, struct model_location *l,
                                 struct model_line lines[NAMER_MAX_INLINE])
{
    struct named_frame frames[NAMER_MAX_INLINE];
    size_t n = b->namer->frames(b->namer->self, address, frames);
    uint32_t missing = n ? 0 : MODEL_HAS_FUNCTIONS | MODEL_HAS_FILENAMES | MODEL_HAS_LINE_NUMBERS;
    for (size_t i = 0; i < n; i++) {
        enum status status = intern_function(b->out, &frames[i], &lines[i].function);
        if (status)
            return status;
        lines[i].line = frames[i].line;
        lines[i].column = 0;
        missing |= (frames[i].file[0] ? 0 : MODEL_HAS_FILENAMES) | (frames[i].line ? 0 : MODEL_HAS_LINE_NUMBERS);
    }
    l->lines = lines;
    l->n_lines = n;
    if (l->mapping != MODEL_NONE) {
        b->map_unknown.at[l->mapping] |= missing;
        b->map_inline.at[l->mapping] |= n > 1;
    }
    return STATUS_OK;
}

static enum status make_location(struct build *b, uint64_t address, uint32_t *index)
{
    struct model_line lines[NAMER_MAX_INLINE];
    struct model_location l = {.mapping = MODEL_NONE, .address = address};
    const struct map *map = maps_find(b->maps, address);
    enum status status = map ? intern_map(b, map, &l.mapping) : STATUS_OK;
    if (!status)
        status = name_location(b, address, &l, lines);
    return status ? status : model_add_location(b->out, &l, index);
}

/* Each distinct address is named once: naming is what takes the time. */
static enum status location_of(struct build *b, uint64_t address, uint32_t *index)
{
    uint64_t hash = hash_word(b->by_address.seed, address);
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&b->by_address, &probe, index))
        if (b->out->location_address.at[*index] == address)
            return STATUS_OK;
    enum status status = rowindex_reserve(&b->by_address) ? make_location(b, address, index) : STATUS_NOMEM;
    if (!status)
        rowindex_put(&b->by_address, hash, *index);
    return status;
}

static enum status pseudo_location(struct model *m, const char *name, uint32_t *index)
{
    struct model_line line = {0};
    /* No system name: pprof takes an angle-bracketed one for something to demangle, and shows "<unknown>". */
    struct named_frame frame = {.name = name, .system_name = "", .file = ""};
    enum status status = intern_function(m, &frame, &line.function);
    struct model_location l = {.mapping = MODEL_NONE, .lines = &line, .n_lines = 1};
    return status ? status : model_add_location(m, &l, index);
}

static enum status add_stack(void *arg, const struct stack *s)
{
    struct build *b = arg;
    uint32_t stack[RECORD_MAX_FRAMES + 1];
    uint32_t depth = 0;
    enum status status = STATUS_OK;
    for (; depth < s->depth && !status; depth++)
        status = location_of(b, s->pc[depth] - (depth > 0), &stack[depth]);
    if (!status && s->flags) {
        if (b->truncated == MODEL_NONE)
            status = pseudo_location(b->out, TRUNCATED_FRAME, &b->truncated);
        stack[depth++] = b->truncated;
    }
    return status ? status : model_add_sample(b->out, stack, depth, s->weight, NULL, 0);
}

/* A flag says "true of every address": Go's rule, so that pprof symbolizes what we could not. */
static void set_flags(struct build *b)
{
    uint32_t *column = b->out->mapping_flags.at;
    for (size_t i = 0; column && i < b->map_unknown.n; i++) {
        uint32_t all = MODEL_HAS_FUNCTIONS | MODEL_HAS_FILENAMES | MODEL_HAS_LINE_NUMBERS;
        uint32_t flags = all & ~b->map_unknown.at[i];
        if (b->map_inline.at[i])
            flags |= MODEL_HAS_INLINE_FRAMES;
        column[i] = flags;
    }
}

static enum status start_build(struct build *b)
{
    for (size_t i = 0; i < b->maps->n; i++)
        if (!vec_u32_push(&b->map_index, MODEL_NONE))
            return STATUS_NOMEM;
    /* mapping[0] is the main program by convention: readers take "File:" from it. */
    uint32_t first;
    return b->maps->n ? intern_map(b, &b->maps->at[0], &first) : STATUS_OK;
}

enum status collect_model(const struct collect *c, const struct maps *maps, const struct namer *namer,
                          struct model *out)
{
    struct build b = {.out = out, .maps = maps, .namer = namer, .truncated = MODEL_NONE};
    rowindex_init(&b.by_address);
    enum status status = start_build(&b);
    if (!status)
        status = stacktab_each(&c->stacks, add_stack, &b);
    if (!status && c->stacks.refused[0])
        status = collect_add_lost(out, "<lost: too many stacks>", c->stacks.refused[0], c->stacks.refused[1]);
    if (!status)
        set_flags(&b);
    rowindex_fini(&b.by_address);
    vec_u32_fini(&b.map_index);
    vec_u32_fini(&b.map_unknown);
    vec_u32_fini(&b.map_inline);
    return status;
}

enum status collect_add_lost(struct model *out, const char *frame, int64_t ticks, int64_t ns)
{
    uint32_t location;
    const int64_t values[2] = {ticks, ns};
    enum status status = pseudo_location(out, frame, &location);
    return status ? status : model_add_sample(out, &location, 1, values, NULL, 0);
}
