#include "encode/custom_profile.h"

struct fill {
    struct locator *locator;
    uint32_t cut, beyond; /* rows of pseudo frames, MODEL_NONE until wanted */
};

static enum status pseudo(struct model *m, const char *name, uint32_t *row, uint32_t *frame)
{
    enum status status = *row == MODEL_NONE ? locate_pseudo(m, name, row) : STATUS_OK;
    *frame = *row;
    return status;
}

static enum status add_stack(void *arg, const struct custom_stack *s)
{
    struct fill *f = arg;
    struct model *m = f->locator->out;
    uint32_t stack[CUSTOM_MAX_FRAMES + 1], depth = s->depth;
    enum status status = locator_stack(f->locator, s->pc, depth, stack);
    if (!status && s->flags & CUSTOM_CUT)
        status = pseudo(m, "<truncated>", &f->cut, &stack[depth++]);
    else if (!status && s->flags & CUSTOM_BEYOND)
        status = pseudo(m, "<lost: skipped more than there is>", &f->beyond, &stack[depth++]);
    return status ? status : model_add_sample(m, stack, depth, &s->values, NULL, 0);
}

enum status custom_profile_fill(struct custom *c, struct locator *locator)
{
    struct fill f = {locator, MODEL_NONE, MODEL_NONE};
    return custom_each(c, add_stack, &f);
}
