/*
 * The secret that a client has to know: what may be one, where it is read from, how it comes in a request. Pure
 * functions but for token_read_file, which is for ordinary threads.
 */
#ifndef CPROF_HTTP_TOKEN_H
#define CPROF_HTTP_TOKEN_H

#include "base/status.h"
#include "http/policy.h"

#include <stdbool.h>
#include <stddef.h>

/* 16 to 255 printable characters of ASCII without blanks; what: whose they are, for the sentence. */
enum status token_check(const char *text, size_t n, const char *what, char out[POLICY_TOKEN_MAX + 1],
                        struct reason *why);

/* The one line of a regular file that only its owner and group can read. Never waits, whatever the path leads to. */
enum status token_read_file(const char *path, char out[POLICY_TOKEN_MAX + 1], struct reason *why);

/* Does the value of an Authorization header carry it, as Bearer or as the password of any user (Basic)? How long this
 * takes does not depend on how much of it is right. */
bool token_matches(const char token[POLICY_TOKEN_MAX + 1], const char *authorization);

#endif
