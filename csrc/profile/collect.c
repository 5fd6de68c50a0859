#include "profile/collect.h"

#include "profile/labelrows.h"
#include "profile/locate.h"

#include <string.h>

/* Everything one pass over the stacks needs. */
struct build {
    struct locator locator;
    uint32_t truncated, partial; /* locations of the pseudo frames, MODEL_NONE until wanted */
};

enum status collect_init(struct collect *c)
{
    return stacktab_init(&c->stacks);
}

void collect_fini(struct collect *c)
{
    stacktab_fini(&c->stacks);
}

void collect_put(struct collect *c, const struct record *record, const char *thread, uint32_t ticks, uint32_t period_ns)
{
    const int64_t weight[STACKTAB_WEIGHTS] = {ticks, (int64_t)ticks * period_ns};
    struct stack_key key = {.flags = record->flags & (RECORD_TRUNCATED | RECORD_PARTIAL), .labels = record->labels};
    memcpy(key.thread, thread, sizeof key.thread);
    stacktab_add(&c->stacks, &key, record->pc, record->depth, weight);
}

static enum status announce_stack(void *arg, const struct stack *s)
{
    return locator_announce(&((struct build *)arg)->locator, s->pc, s->depth);
}

/* What the stack ends in that does not reach its end. */
static enum status find_end(struct build *b, uint32_t flags, uint32_t *location)
{
    bool partial = (flags & RECORD_PARTIAL) != 0;
    uint32_t *end = partial ? &b->partial : &b->truncated;
    enum status status = STATUS_OK;
    if (*end == MODEL_NONE)
        status = locate_pseudo(b->locator.out, partial ? "<partial>" : "<truncated>", end);
    *location = *end;
    return status;
}

static enum status add_stack(void *arg, const struct stack *s)
{
    struct build *b = arg;
    uint32_t stack[RECORD_MAX_FRAMES + 1];
    uint32_t depth = s->depth;
    struct model_label labels[LABELROWS_MAX];
    size_t n_labels;
    enum status status = locator_stack(&b->locator, s->pc, depth, stack);
    if (!status)
        status = labelrows_make(b->locator.out, s->key.labels, s->key.thread, labels, &n_labels);
    if (!status && s->key.flags)
        status = find_end(b, s->key.flags, &stack[depth++]);
    return status ? status : model_add_sample(b->locator.out, stack, depth, s->weight, labels, n_labels);
}

enum status collect_model(const struct collect *c, const struct maps *maps, const struct namer *namer,
                          struct model *out)
{
    struct build b = {.truncated = MODEL_NONE, .partial = MODEL_NONE};
    enum status status = locator_init(&b.locator, out, maps, namer);
    if (!status)
        status = stacktab_each(&c->stacks, announce_stack, &b);
    if (!status)
        status = locator_name_announced(&b.locator);
    if (!status)
        status = stacktab_each(&c->stacks, add_stack, &b);
    if (!status && c->stacks.refused[0])
        status = collect_add_lost(out, "<lost: too many stacks>", c->stacks.refused[0], c->stacks.refused[1]);
    if (!status)
        locator_flag_mappings(&b.locator);
    locator_fini(&b.locator);
    return status;
}

enum status collect_add_lost(struct model *out, const char *frame, int64_t ticks, int64_t ns)
{
    uint32_t location;
    const int64_t values[2] = {ticks, ns};
    enum status status = locate_pseudo(out, frame, &location);
    return status ? status : model_add_sample(out, &location, 1, values, NULL, 0);
}
