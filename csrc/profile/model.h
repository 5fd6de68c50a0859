/*
 * A profile in memory, as columns: what is collected here, decoded from a file, merged, diffed and
 * written. The wire shape (profile.proto) is encode/'s business and does not appear here.
 *
 * Tables are interned: adding an equal string, mapping, function, location or sample stack again
 * gives the same index, so a merge is "add everything of each input". Indices are 0-based and
 * dense. One thread at a time; nothing here is for a signal handler.
 */
#ifndef CPROF_PROFILE_MODEL_H
#define CPROF_PROFILE_MODEL_H

#include "base/status.h"
#include "base/vec.h"
#include "profile/rowindex.h"
#include "profile/strtab.h"

#define MODEL_NONE      UINT32_MAX /* "no mapping", "no label string" */
#define MODEL_MAX_TYPES 64         /* sample types of one profile; a wider file is STATUS_TOO_BIG */

enum model_mapping_flag {
    MODEL_HAS_FUNCTIONS = 1,
    MODEL_HAS_FILENAMES = 2,
    MODEL_HAS_LINE_NUMBERS = 4,
    MODEL_HAS_INLINE_FRAMES = 8,
};

struct model_value_type {
    uint32_t type, unit; /* string ids */
};

struct model_mapping {
    uint64_t start, limit, offset;
    uint32_t filename, build_id; /* string ids */
    uint32_t flags;              /* enum model_mapping_flag */
};

struct model_function {
    uint32_t name, system_name, filename; /* string ids */
    int64_t start_line;
};

struct model_line {
    uint32_t function; /* index */
    int64_t line, column;
};

struct model_location {
    uint32_t mapping; /* index or MODEL_NONE */
    uint64_t address;
    uint32_t is_folded;
    const struct model_line *lines; /* leaf first: the last is the outermost, not inlined, one */
    size_t n_lines;                 /* 0 = not symbolized */
};

/* str is MODEL_NONE for a numeric label; unit belongs to numeric ones (0 = none). */
struct model_label {
    uint32_t key, str, unit;
    int64_t num;
};

struct model {
    struct strtab strings;

    struct model_value_type types[MODEL_MAX_TYPES];
    size_t n_types;
    struct model_value_type period_type;
    int64_t period;
    int64_t time_nanos, duration_nanos;
    uint32_t default_sample_type, drop_frames, keep_frames, doc_url; /* string ids, 0 = unset */
    struct vec_u32 comments;                                         /* string ids */

    /* samples: row s has values[s * n_types ...], locations stack[stack_start[s] .. stack_start[s+1]) leaf
     * first, labels label_*[label_start[s] .. label_start[s+1]). Both *_start have n_samples + 1 rows. */
    size_t n_samples;
    struct vec_i64 values;
    struct vec_u64 stack_start;
    struct vec_u32 stack;
    struct vec_u64 label_start;
    struct vec_u32 label_key, label_str, label_unit;
    struct vec_i64 label_num;

    /* locations: row l has lines line_*[line_start[l] .. line_start[l+1]) */
    size_t n_locations;
    struct vec_u32 location_mapping, location_folded;
    struct vec_u64 location_address, line_start;
    struct vec_u32 line_function;
    struct vec_i64 line_number, line_column;

    size_t n_functions;
    struct vec_u32 function_name, function_system_name, function_filename;
    struct vec_i64 function_start_line;

    size_t n_mappings;
    struct vec_u64 mapping_start, mapping_limit, mapping_offset;
    struct vec_u32 mapping_filename, mapping_build_id, mapping_flags;

    /* interning, private to model*.c */
    struct rowindex by_sample, by_location, by_function, by_mapping;
};

/* On failure m is left as model_fini leaves it. */
enum status model_init(struct model *m);
void model_fini(struct model *m);

/* All types must be added before the first sample. */
enum status model_add_type(struct model *m, const char *type, const char *unit);
enum status model_set_period(struct model *m, const char *type, const char *unit, int64_t period);
enum status model_add_comment(struct model *m, const char *text);

/* Each is all or nothing. STATUS_INVALID where an index in the input does not exist, STATUS_TOO_BIG past 2^31
 * rows. String ids are trusted: they come from m->strings. */
enum status model_add_mapping(struct model *m, const struct model_mapping *in, uint32_t *index);
enum status model_add_function(struct model *m, const struct model_function *in, uint32_t *index);
enum status model_add_location(struct model *m, const struct model_location *in, uint32_t *index);

/* Adds values[n_types] to the sample with this stack (location indices, leaf first) and these labels,
 * making the row if it is new. Values saturate instead of wrapping. The order of labels does not matter: rows
 * keep them sorted by key id. STATUS_INVALID before the first type. */
enum status model_add_sample(struct model *m, const uint32_t *stack, size_t depth, const int64_t *values,
                             const struct model_label *labels, size_t n_labels);

/* The rows back as structs. */
struct model_mapping model_mapping_at(const struct model *m, uint32_t index);
struct model_function model_function_at(const struct model *m, uint32_t index);

#endif
