/*
 * Numbers in query parameters, read as Go's handlers read them. Pure.
 */
#ifndef CPROF_HTTP_NUMBERS_H
#define CPROF_HTTP_NUMBERS_H

#include "encode/naming.h"
#include "http/target.h"

#include <stdbool.h>
#include <stdint.h>

/* As strconv.ParseInt(text, 10, 64): a sign and digits, nothing else. Beyond the range the nearest value is in *out and
 * the answer false, as there. */
bool numbers_parse(const char *text, size_t n, int64_t *out);

/* As strconv.Atoi with its error ignored: what cannot be read is 0, what is too large the largest. */
int64_t numbers_param(const struct target *t, const char *key);

/* Is the parameter there, and not empty? Its number as numbers_parse reads it. */
bool numbers_given(const struct target *t, const char *key, int64_t *value, bool *sound);

/* symbolize=0: whoever asks looks the names up by itself, at /debug/pprof/symbol or in the files. */
enum naming_names numbers_names(const struct target *t);

/* As strconv.ParseFloat(text, 64): decimal, or hexadecimal with a binary exponent, or inf and nan in any case. False
 * where Go gives an error, too large numbers included. In no locale. */
bool numbers_parse_float(const char *text, size_t n, double *out);

/* The parameter's number; false where there is none. */
bool numbers_float(const struct target *t, const char *key, double *value);

#endif
