/*
 * The state of one pprof_read, and how it reads a row of each table. Private to encode/: pprof_read.c walks
 * the file, pprof_reader.c turns messages into rows of the model.
 */
#ifndef CPROF_ENCODE_PPROF_READER_H
#define CPROF_ENCODE_PPROF_READER_H

#include "base/buf.h"
#include "encode/pprof_ids.h"
#include "encode/pprof_wire.h"
#include "profile/model.h"

VEC_DEFINE(vec_label, struct model_label)
VEC_DEFINE(vec_line, struct model_line)

/* The string table is usually last and ids may point anywhere, so the fields are walked once per table, and
 * each row is unpacked alone: the memory a file takes is that of the model. */
struct reader {
    struct wire wire;
    struct model *m;
    struct reason *why;
    struct arena arena;
    struct buf head;        /* the fields of Profile that are not rows, for one unpack */
    size_t times;           /* how often time_nanos occurred */
    struct vec_u32 strings; /* the file's index -> string id */
    struct pprof_ids mappings, functions, locations;

    size_t row; /* of the table being read, for reasons: from 1, 0 = not in a table */
    struct vec_u32 stack;
    struct vec_label labels;
    struct vec_line lines;
};

/* A message of this type in the arena, there until the next unpack; NULL with *status and a reason. */
const void *reader_unpack(struct reader *r, const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
                          enum status *status);

/* The id of the file's string number index; `of` says in the reason who refers to it. */
enum status reader_string(struct reader *r, const char *of, int64_t index, uint32_t *id);

/* One row each. What a row refers to has been read before it: mappings, functions, locations, samples. */
enum status reader_mapping(struct reader *r, const struct wire_field *field);
enum status reader_function(struct reader *r, const struct wire_field *field);
enum status reader_location(struct reader *r, const struct wire_field *field);
enum status reader_sample(struct reader *r, const struct wire_field *field);

#endif
