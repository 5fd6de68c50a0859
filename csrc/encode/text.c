#include "encode/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAB 8 /* what columns are rounded up to */

/* One "#" line: its cells, each closed by tabs; where only the address is known, nothing is behind it. */
struct line {
    char address[19]; /* "0x" and 16 digits */
    struct buf function;
    struct buf place;
};

VEC_DEFINE(vec_line, struct line)

struct writer {
    const struct model *m;
    const struct namer *namer;
    struct buf *out;
    struct vec_line lines;
};

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

/* The length of the UTF-8 sequence at p, 0 where it is none. */
static size_t sequence(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (p[0] >= 0x80 && p[0] < 0xc2)
        return 0;
    if (!len || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : len;
}

void text_quote(struct buf *out, const char *text, size_t n)
{
    static const char named[] = "\a\b\f\n\r\t\v\"\\", letters[] = "abfnrtv\"\\";
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    buf_puts(out, "\"");
    while (p < end) {
        size_t len = sequence(p, (size_t)(end - p));
        const char *known = *p ? strchr(named, *p) : NULL;
        if (known)
            buf_printf(out, "\\%c", letters[known - named]);
        else if (len > 1 || (len == 1 && is_plain(*p)))
            buf_put(out, p, len);
        else
            buf_printf(out, "\\x%02x", *p);
        p += len ? len : 1;
    }
    buf_puts(out, "\"");
}

/* A control character in a name would break the line. */
static void put_name(struct buf *out, const char *name)
{
    for (; *name; name++)
        buf_put(out, (unsigned char)*name < 0x20 ? "?" : name, 1);
}

static const char *text_of(const struct model *m, uint32_t id)
{
    return strtab_at(&m->strings, id);
}

static uint64_t entry_of(const struct writer *w, uint64_t address)
{
    return w->namer && w->namer->entry ? w->namer->entry(w->namer->self, address) : 0;
}

/* The line in the source; what was built without lines has at least a file. */
static void put_place(const struct writer *w, uint32_t location, size_t row, struct buf *out)
{
    const struct model *m = w->m;
    const char *file = text_of(m, m->function_filename.at[m->line_function.at[row]]);
    uint32_t mapping = m->location_mapping.at[location];
    if (!*file && mapping != MODEL_NONE)
        file = text_of(m, m->mapping_filename.at[mapping]);
    put_name(out, file);
    buf_printf(out, ":%" PRId64, m->line_number.at[row]);
}

static void add_line(struct writer *w, uint32_t location, size_t row, bool known)
{
    struct line line = {0};
    uint64_t address = w->m->location_address.at[location];
    snprintf(line.address, sizeof line.address, "0x%" PRIx64, address);
    if (known) {
        uint64_t entry = address ? entry_of(w, address) : 0;
        put_name(&line.function, text_of(w->m, w->m->function_name.at[w->m->line_function.at[row]]));
        if (address)
            buf_printf(&line.function, "+0x%" PRIx64, entry ? address - entry : 0);
        put_place(w, location, row, &line.place);
        if (!address)
            buf_fini(&line.place);
    }
    if (!vec_line_push(&w->lines, line)) {
        buf_fini(&line.function);
        buf_fini(&line.place);
        w->out->failed = true;
    }
}

static void add_location(struct writer *w, uint32_t location)
{
    size_t first = w->m->line_start.at[location], end = w->m->line_start.at[location + 1];
    if (first == end)
        add_line(w, location, 0, false);
    for (size_t row = first; row < end; row++)
        add_line(w, location, row, true);
}

static void put_cell(struct buf *out, const char *text, size_t n, size_t width)
{
    buf_put(out, text, n);
    for (size_t at = n; at < width; at += TAB - at % TAB)
        buf_puts(out, "\t");
}

/* A column is as wide as its widest cell and one more, rounded up, over the lines in a row that have the cell. */
static size_t width_of(size_t longest)
{
    return (longest + 1 + TAB - 1) / TAB * TAB;
}

static void put_run(struct buf *out, const struct line *line, size_t n)
{
    size_t address = 0, function = 0;
    for (size_t i = 0; i < n; i++) {
        address = strlen(line[i].address) > address ? strlen(line[i].address) : address;
        function = line[i].function.len > function ? line[i].function.len : function;
    }
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, "#\t");
        put_cell(out, line[i].address, strlen(line[i].address), width_of(address));
        if (line[i].place.len)
            put_cell(out, line[i].function.data, line[i].function.len, width_of(function));
        else
            buf_put(out, line[i].function.data, line[i].function.len);
        buf_put(out, line[i].place.data, line[i].place.len);
        buf_puts(out, "\n");
    }
}

static void put_lines(struct writer *w)
{
    const struct line *at = w->lines.at;
    for (size_t i = 0; i < w->lines.n;) {
        size_t run = 0;
        while (i + run < w->lines.n && at[i + run].function.len)
            run++;
        put_run(w->out, at + i, run);
        i += run;
        if (i < w->lines.n)
            buf_printf(w->out, "#\t%s\n", at[i++].address);
    }
}

static void clear_lines(struct writer *w)
{
    for (size_t i = 0; i < w->lines.n; i++) {
        buf_fini(&w->lines.at[i].function);
        buf_fini(&w->lines.at[i].place);
    }
    w->lines.n = 0;
}

/* Our frames without an address (a thread whose place nobody knows) stand as 0: pprof reads no line without one. */
static void put_addresses(const struct model *m, size_t sample, struct buf *out)
{
    size_t first = m->stack_start.at[sample], end = m->stack_start.at[sample + 1];
    buf_puts(out, " @");
    for (size_t i = first; i < end; i++) {
        uint64_t address = m->location_address.at[m->stack.at[i]];
        buf_printf(out, " 0x%" PRIx64, address ? address + 1 : 0);
    }
    buf_puts(out, first == end ? " 0x0\n" : "\n");
}

static void put_stack(struct writer *w, size_t sample)
{
    for (size_t i = w->m->stack_start.at[sample]; i < w->m->stack_start.at[sample + 1]; i++)
        add_location(w, w->m->stack.at[i]);
    if (w->lines.n)
        put_lines(w);
    else
        buf_puts(w->out, "#\t0x0\n");
    clear_lines(w);
    buf_puts(w->out, "\n");
}

struct label {
    const char *key, *value;
    size_t value_len;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static void put_labels(const struct model *m, size_t sample, struct buf *out)
{
    size_t first = m->label_start.at[sample], n = m->label_start.at[sample + 1] - first, kept = 0;
    struct label *labels = calloc(n + 1, sizeof *labels);
    for (size_t i = first; labels && i < first + n; i++) {
        uint32_t value = m->label_str.at[i];
        if (value != MODEL_NONE)
            labels[kept++] =
                (struct label){text_of(m, m->label_key.at[i]), text_of(m, value), strtab_len(&m->strings, value)};
    }
    if (kept) {
        qsort(labels, kept, sizeof *labels, by_key);
        buf_puts(out, "# labels: {");
        for (size_t i = 0; i < kept; i++) {
            if (i)
                buf_puts(out, ", ");
            text_quote(out, labels[i].key, strlen(labels[i].key));
            buf_puts(out, ":");
            text_quote(out, labels[i].value, labels[i].value_len);
        }
        buf_puts(out, "}\n");
    }
    free(labels);
}

/* A sample's place in the order of the text. */
struct rank {
    int64_t weight; /* larger first */
    size_t sample;
    const char *key;
    size_t key_len;
};

static int by_rank(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->key, y->key, n);
    return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* The samples by falling weight, sign * values[column]; equal ones by their addresses and labels. */
static struct rank *ranked(const struct model *m, size_t column, int sign, struct buf *keys)
{
    struct rank *order = calloc(m->n_samples + 1, sizeof *order);
    size_t *ends = calloc(m->n_samples + 1, sizeof *ends);
    for (size_t i = 0; order && ends && i < m->n_samples; i++) {
        put_addresses(m, i, keys);
        put_labels(m, i, keys);
        ends[i] = keys->len;
    }
    for (size_t i = 0; order && ends && !keys->failed && i < m->n_samples; i++) {
        size_t start = i ? ends[i - 1] : 0;
        order[i] = (struct rank){sign * m->values.at[i * m->n_types + column], i, keys->data + start, ends[i] - start};
    }
    free(ends);
    if (!order || keys->failed) {
        free(order);
        return NULL;
    }
    qsort(order, m->n_samples, sizeof *order, by_rank);
    return order;
}

static void put_values_counts(const int64_t *v, struct buf *out)
{
    buf_printf(out, "%" PRId64, v[0]);
}

static void put_values_heap(const int64_t *v, struct buf *out)
{
    buf_printf(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "]", v[2], v[3], v[0], v[1]);
}

static void put_values_contention(const int64_t *v, struct buf *out)
{
    buf_printf(out, "%" PRId64 " %" PRId64, v[1], v[0]);
}

static void put_samples(const struct model *m, const struct namer *namer, size_t column, int sign,
                        void (*put_values)(const int64_t *values, struct buf *out), struct buf *out)
{
    struct writer w = {.m = m, .namer = namer, .out = out};
    struct buf keys = {0};
    struct rank *order = ranked(m, column, sign, &keys);
    out->failed = out->failed || !order;
    for (size_t i = 0; order && i < m->n_samples; i++) {
        put_values(&m->values.at[order[i].sample * m->n_types], out);
        buf_put(out, order[i].key, order[i].key_len);
        put_stack(&w, order[i].sample);
    }
    free(order);
    buf_fini(&keys);
    vec_line_fini(&w.lines);
}

static int64_t total(const struct model *m, size_t column)
{
    int64_t sum = 0;
    for (size_t i = 0; i < m->n_samples; i++)
        sum += m->values.at[i * m->n_types + column];
    return sum;
}

void text_counts(const char *name, const struct model *m, const struct namer *namer, struct buf *out)
{
    put_name(out, name);
    buf_printf(out, " profile: total %" PRId64 "\n", total(m, 0));
    put_samples(m, namer, 0, 1, put_values_counts, out);
}

/* pprof takes a head whose two pairs are equal for one that has only one: Go makes them differ, too. */
void text_heap(const struct model *m, const struct namer *namer, struct buf *out)
{
    int64_t inuse = total(m, 3), alloc = total(m, 1);
    buf_printf(out, "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @ heap/%" PRId64 "\n",
               total(m, 2), inuse, total(m, 0), alloc + (alloc == inuse), 2 * m->period);
    put_samples(m, namer, 3, -1, put_values_heap, out);
}

void text_contention(const char *name, const struct model *m, int64_t period, bool has_period,
                     const struct namer *namer, struct buf *out)
{
    buf_printf(out, "--- %s:\ncycles/second=1000000000\n", name);
    if (has_period)
        buf_printf(out, "sampling period=%" PRId64 "\n", period);
    put_samples(m, namer, 1, 1, put_values_contention, out);
}
