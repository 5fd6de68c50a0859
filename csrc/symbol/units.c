#include "symbol/units.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UNITS      (1u << 20) /* the largest browsers have about 50,000 */
#define MAX_RANGES     (1u << 24) /* of all units of a module, and of all functions of a unit */
#define MAX_SCAN_DIES  (1u << 23) /* entries looked at in one unit: under a second */
#define MAX_SCAN_DEPTH 64u        /* namespaces in namespaces; types and blocks too in the thorough scan */
#define UNIT_BYTES     65536u     /* files, directories and abbreviations of a unit, in libdw */
#define LINE_BYTES     48u        /* one line, in libdw */
#define MAX_STEPS_BACK 32u        /* ranges that begin behind the one that holds the address */

static bool make_room(void **at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t wider = *cap ? *cap * 2 : 64;
    void *grown = realloc(*at, wider * size);
    if (!grown)
        return false;
    *at = grown;
    *cap = wider;
    return true;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct unit_range *a = left, *b = right;
    return a->low != b->low ? (a->low < b->low ? -1 : 1) : (a->high > b->high) - (a->high < b->high);
}

/* Wider ranges first, so that the search backwards meets the innermost function first. */
static int compare_functions(const void *left, const void *right)
{
    const struct function *a = left, *b = right;
    return a->low != b->low ? (a->low < b->low ? -1 : 1) : (a->high < b->high) - (a->high > b->high);
}

static bool add_unit(struct units *u, Dwarf_Die *die)
{
    Dwarf_Addr base, low, high;
    bool used = false;
    for (ptrdiff_t at = 0; u->n_ranges < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
        if (low >= high)
            continue;
        if (!make_room((void **)&u->ranges, u->n_ranges, &u->cap_ranges, sizeof *u->ranges))
            return false;
        u->ranges[u->n_ranges++] = (struct unit_range){low, high, u->n};
        used = true;
    }
    if (!used)
        return true;
    if (!make_room((void **)&u->at, u->n, &u->cap, sizeof *u->at)) {
        while (u->n_ranges && u->ranges[u->n_ranges - 1].unit == u->n)
            u->n_ranges--;
        return false;
    }
    u->at[u->n++] = (struct unit){.offset = dwarf_dieoffset(die)};
    return true;
}

void units_init(struct units *u, Dwarf *dw)
{
    *u = (struct units){0};
    Dwarf_CU *cu = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;
    /* Without asking for the sub-DIE: that would open the other file of every split unit. */
    for (size_t seen = 0; seen < MAX_UNITS && dwarf_get_units(dw, cu, &cu, &version, &type, &die, NULL) == 0; seen++)
        if ((type == DW_UT_compile || type == DW_UT_skeleton) && die.addr && !add_unit(u, &die))
            break;
    if (u->n_ranges)
        qsort(u->ranges, u->n_ranges, sizeof *u->ranges, compare_ranges);
}

bool unit_open(struct unit *unit, Dwarf *dw, const struct sidefiles *side)
{
    if (unit->is_open)
        return true;
    unit->is_open = dwarf_offdie(dw, unit->offset, &unit->die) != NULL;
    if (unit->is_open && !sidefile_body(side, &unit->die, &unit->body))
        unit->body = unit->die;
    return unit->is_open;
}

/* Most of it are the lines, which libdw keeps decoded. */
size_t unit_bytes(struct unit *unit)
{
    Dwarf_Lines *lines;
    size_t n = 0;
    if (dwarf_getsrclines(&unit->die, &lines, &n) != 0)
        n = 0;
    return UNIT_BYTES + n * LINE_BYTES + unit->cap * sizeof *unit->functions;
}

void units_close(struct units *u)
{
    for (size_t i = 0; i < u->n; i++) {
        free(u->at[i].functions);
        u->at[i] = (struct unit){.offset = u->at[i].offset};
    }
}

void units_fini(struct units *u)
{
    units_close(u);
    free(u->at);
    free(u->ranges);
    *u = (struct units){0};
}

struct unit *units_find(struct units *u, uint64_t address)
{
    size_t low = 0, high = u->n_ranges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (u->ranges[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t steps = 0; low > 0 && steps < MAX_STEPS_BACK; steps++)
        if (address < u->ranges[--low].high)
            return &u->at[u->ranges[low].unit];
    return NULL;
}

static bool add_function(struct unit *unit, Dwarf_Die *die)
{
    Dwarf_Addr base, low, high;
    for (ptrdiff_t at = 0; unit->n < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
        if (low >= high)
            continue;
        if (!make_room((void **)&unit->functions, unit->n, &unit->cap, sizeof *unit->functions))
            return false;
        unit->functions[unit->n++] = (struct function){low, high, *die};
    }
    return true;
}

/* Code lies in functions at the top or in namespaces; the rest of the tree, most of it, is types. */
static bool holds_functions(int tag, enum unit_scan scan)
{
    if (tag == DW_TAG_namespace || tag == DW_TAG_module)
        return true;
    return scan == UNIT_EVERYWHERE && tag != DW_TAG_enumeration_type && tag != DW_TAG_array_type;
}

struct scan {
    struct unit *unit;
    enum unit_scan how;
    size_t dies;
    Dwarf_Off last; /* a whole tree is met in rising order; a spoiled one could lead to the same place for ever */
};

static void scan_below(struct scan *s, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth == MAX_SCAN_DEPTH || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        Dwarf_Off at = dwarf_dieoffset(&die);
        if (at <= s->last || ++s->dies > MAX_SCAN_DIES || (tag == DW_TAG_subprogram && !add_function(s->unit, &die)))
            return;
        s->last = at;
        if (holds_functions(tag, s->how) && dwarf_haschildren(&die) > 0)
            scan_below(s, &die, depth + 1);
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void scan_unit(struct unit *unit, enum unit_scan how)
{
    unit->scan = how;
    unit->n = 0;
    struct scan s = {.unit = unit, .how = how, .last = dwarf_dieoffset(&unit->body)};
    scan_below(&s, &unit->body, 0);
    if (unit->n)
        qsort(unit->functions, unit->n, sizeof *unit->functions, compare_functions);
}

static const struct function *search(const struct unit *unit, uint64_t address)
{
    size_t low = 0, high = unit->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unit->functions[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t steps = 0; low > 0 && steps < MAX_STEPS_BACK; steps++)
        if (address < unit->functions[--low].high)
            return &unit->functions[low];
    return NULL;
}

/* The thorough scan finds functions inside functions and types: GNU C, Fortran, Pascal, older Rust. */
const struct function *unit_function(struct unit *unit, uint64_t address)
{
    const struct function *found = NULL;
    while (!(found = search(unit, address)) && unit->scan != UNIT_EVERYWHERE)
        scan_unit(unit, unit->scan + 1);
    return found;
}
