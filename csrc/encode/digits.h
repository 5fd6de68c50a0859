/*
 * Numbers as text, the same in every locale: printf writes the host's decimal separator, and takes ten times as long,
 * which a document of 700 numbers notices.
 */
#ifndef CPROF_ENCODE_DIGITS_H
#define CPROF_ENCODE_DIGITS_H

#include "base/buf.h"

#include <stdint.h>

void digits_put(struct buf *out, uint64_t value);

/* At most nine digits behind the point, none where they are 0. What is no number, negative or beyond 2^63 becomes 0. */
void digits_put_decimal(struct buf *out, double value);

#endif
