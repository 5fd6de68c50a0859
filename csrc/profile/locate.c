#include "profile/locate.h"

#include "profile/hash.h"

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
static enum status intern_map(struct locator *self, const struct map *map, uint32_t *index)
{
    uint32_t *known = &self->map_index.at[map - self->maps->at];
    if (*known == MODEL_NONE) {
        struct model_mapping row = {.start = map->start, .limit = map->limit, .offset = map->offset};
        char id[129] = "";
        enum status status = strtab_intern(&self->out->strings, map->path, &row.filename);
        if (!status && self->namer->build_id(self->namer->self, map->start, id, sizeof id))
            status = strtab_intern(&self->out->strings, id, &row.build_id);
        if (!status)
            status = model_add_mapping(self->out, &row, known);
        if (status)
            return status;
        if (!vec_u32_push(&self->map_unknown, 0) || !vec_u32_push(&self->map_inline, 0))
            return STATUS_NOMEM;
    }
    *index = *known;
    return STATUS_OK;
}

/* Its lines out of n frames. */
static enum status name_location(struct locator *self, const struct named_frame *frames, size_t n,
                                 struct model_location *l, struct model_line lines[NAMER_MAX_INLINE])
{
    uint32_t missing = n ? 0 : MODEL_HAS_FUNCTIONS | MODEL_HAS_FILENAMES | MODEL_HAS_LINE_NUMBERS;
    for (size_t i = 0; i < n; i++) {
        enum status status = intern_function(self->out, &frames[i], &lines[i].function);
        if (status)
            return status;
        lines[i].line = frames[i].line;
        lines[i].column = 0;
        missing |= (frames[i].file[0] ? 0 : MODEL_HAS_FILENAMES) | (frames[i].line ? 0 : MODEL_HAS_LINE_NUMBERS);
    }
    l->lines = lines;
    l->n_lines = n;
    if (l->mapping != MODEL_NONE) {
        self->map_unknown.at[l->mapping] |= missing;
        self->map_inline.at[l->mapping] |= n > 1;
    }
    return STATUS_OK;
}

/* No system name: pprof takes an angle-bracketed one for something to demangle, and shows "<unknown>". */
static struct named_frame pseudo(const char *name)
{
    return (struct named_frame){.name = name, .system_name = "", .file = ""};
}

static enum status add_unloaded(struct locator *self, uint64_t address, uint32_t *index)
{
    struct named_frame frame = pseudo(UNLOADED_FRAME);
    struct model_line line = {0};
    struct model_location l = {.mapping = MODEL_NONE, .address = address, .lines = &line, .n_lines = 1};
    enum status status = intern_function(self->out, &frame, &line.function);
    return status ? status : model_add_location(self->out, &l, index);
}

/* Anonymous memory becomes a mapping where there are names for what runs in it. Without, it tells a reader nothing, and
 * Go leaves it out. */
static enum status make_location(struct locator *self, uint64_t address, uint32_t *index)
{
    struct named_frame frames[NAMER_MAX_INLINE];
    struct model_line lines[NAMER_MAX_INLINE];
    struct model_location l = {.mapping = MODEL_NONE, .address = address};
    if (maps_is_vacated(self->maps, address))
        return add_unloaded(self, address, index);
    size_t n = self->namer->frames(self->namer->self, address, frames);
    const struct map *map = maps_find(self->maps, address);
    enum status status = map && (n || !map->is_anonymous) ? intern_map(self, map, &l.mapping) : STATUS_OK;
    if (!status)
        status = name_location(self, frames, n, &l, lines);
    return status ? status : model_add_location(self->out, &l, index);
}

static enum status location_of(struct locator *self, uint64_t address, uint32_t *index)
{
    uint64_t hash = hash_word(self->by_address.seed, address);
    struct rowindex_probe probe = rowindex_start(hash);
    while (rowindex_next(&self->by_address, &probe, index))
        if (self->out->location_address.at[*index] == address)
            return STATUS_OK;
    enum status status = rowindex_reserve(&self->by_address) ? make_location(self, address, index) : STATUS_NOMEM;
    if (!status)
        rowindex_put(&self->by_address, hash, *index);
    return status;
}

enum status locate_pseudo(struct model *m, const char *name, uint32_t *index)
{
    struct model_line line = {0};
    struct named_frame frame = pseudo(name);
    enum status status = intern_function(m, &frame, &line.function);
    struct model_location l = {.mapping = MODEL_NONE, .lines = &line, .n_lines = 1};
    return status ? status : model_add_location(m, &l, index);
}

static enum status announce(struct locator *l, uint64_t address)
{
    uint64_t hash = hash_word(l->by_wanted.seed, address);
    struct rowindex_probe probe = rowindex_start(hash);
    for (uint32_t row; rowindex_next(&l->by_wanted, &probe, &row);)
        if (l->wanted.at[row] == address)
            return STATUS_OK;
    if (l->wanted.n >= ROWINDEX_MAX_ROWS)
        return STATUS_TOO_BIG;
    if (!rowindex_reserve(&l->by_wanted) || !vec_u64_push(&l->wanted, address))
        return STATUS_NOMEM;
    rowindex_put(&l->by_wanted, hash, (uint32_t)(l->wanted.n - 1));
    return STATUS_OK;
}

/* A return address may lie behind the call's function. */
static uint64_t place_of(const uint64_t *pc, size_t i)
{
    return pc[i] - (i > 0);
}

enum status locator_announce(struct locator *l, const uint64_t *pc, size_t depth)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < depth && !status; i++)
        status = announce(l, place_of(pc, i));
    return status;
}

static int compare_addresses(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

enum status locator_name_announced(struct locator *l)
{
    enum status status = STATUS_OK;
    uint32_t row;
    rowindex_fini(&l->by_wanted); /* the rows move */
    if (l->wanted.n)
        qsort(l->wanted.at, l->wanted.n, sizeof *l->wanted.at, compare_addresses);
    for (size_t i = 0; i < l->wanted.n && !status; i++)
        status = location_of(l, l->wanted.at[i], &row);
    vec_u64_fini(&l->wanted);
    return status;
}

enum status locator_stack(struct locator *l, const uint64_t *pc, size_t depth, uint32_t *rows)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < depth && !status; i++)
        status = location_of(l, place_of(pc, i), &rows[i]);
    return status;
}

/* Go's rule, so that pprof symbolizes what we could not. */
void locator_flag_mappings(struct locator *l)
{
    uint32_t *column = l->out->mapping_flags.at;
    for (size_t i = 0; column && i < l->map_unknown.n; i++) {
        uint32_t all = MODEL_HAS_FUNCTIONS | MODEL_HAS_FILENAMES | MODEL_HAS_LINE_NUMBERS;
        uint32_t flags = all & ~l->map_unknown.at[i];
        if (l->map_inline.at[i])
            flags |= MODEL_HAS_INLINE_FRAMES;
        column[i] = flags;
    }
}

enum status locator_init(struct locator *l, struct model *out, const struct maps *maps, const struct namer *namer)
{
    *l = (struct locator){.out = out, .maps = maps, .namer = namer};
    rowindex_init(&l->by_address);
    rowindex_init(&l->by_wanted);
    for (size_t i = 0; i < l->maps->n; i++)
        if (!vec_u32_push(&l->map_index, MODEL_NONE))
            return STATUS_NOMEM;
    /* mapping[0] is the main program by convention: readers take "File:" from it. */
    size_t program = 0;
    while (program < l->maps->n && l->maps->at[program].is_anonymous)
        program++;
    uint32_t first;
    return program < l->maps->n ? intern_map(l, &l->maps->at[program], &first) : STATUS_OK;
}

void locator_fini(struct locator *l)
{
    rowindex_fini(&l->by_address);
    rowindex_fini(&l->by_wanted);
    vec_u64_fini(&l->wanted);
    vec_u32_fini(&l->map_index);
    vec_u32_fini(&l->map_unknown);
    vec_u32_fini(&l->map_inline);
}
