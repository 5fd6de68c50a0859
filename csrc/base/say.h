/*
 * The one line that the doors of the environment may write: where CPROF_LOG says, else to stderr. Any context. The
 * callers see to it that it is one line per cause; nobody else in here writes anywhere.
 */
#ifndef CPROF_BASE_SAY_H
#define CPROF_BASE_SAY_H

/* "cprof: ", the texts up to a NULL, and a line feed, in one write, which raises no signal. */
void say(const char *text, ...) __attribute__((sentinel));

/* The value of CPROF_LOG as it was at the start: "off", a file's name, or NULL. It is remembered because later the
 * environment may be gone, or be another. */
void say_remember(const char *log);

#endif
