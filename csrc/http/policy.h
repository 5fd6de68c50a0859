/*
 * Who is let in at a listener: what whoever asks for it says about that, read once and copied to the loop's thread with
 * the address. Pure data afterwards. Ordinary threads: a token's file is read here, so never on the loop's.
 */
#ifndef CPROF_HTTP_POLICY_H
#define CPROF_HTTP_POLICY_H

#include "base/status.h"
#include "http/address.h"

#include <stdbool.h>
#include <stddef.h>

#define POLICY_HOSTS_MAX  1023
#define POLICY_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
#define POLICY_TOKEN_MIN  16
#define POLICY_TOKEN_MAX  255

/* As it is asked for; a NULL is not said. All zero: loopback only, no token, no further names. */
struct policy_wish {
    bool allow_remote;
    bool without_token; /* remote, and yet without one */
    const char *token;
    const char *token_file;
    const char *allow_host; /* "a.example,b.example" */
};

struct policy {
    bool allow_remote;
    bool without_token;
    char token[POLICY_TOKEN_MAX + 1]; /* "" for none; zeros behind it */
    char hosts[POLICY_HOSTS_MAX + 1]; /* as in the wish */
};

/* What the environment's word means: "1", "without-token"; NULL, "" and "0" change nothing. */
enum status policy_read_remote(const char *word, struct policy_wish *wish, struct reason *why);

/* Checks a wish and reads its token's file. No sentence has anything of the token in it. */
enum status policy_read(const struct policy_wish *wish, struct policy *out, struct reason *why);

/* May a listener be opened at a, which was written as text? STATUS_DENIED names the settings that allow it. */
enum status policy_admits(const struct policy *policy, const struct address *a, const char *text, struct reason *why);

/* Is it one of the names that allow_host added? */
bool policy_names(const struct policy *policy, const char *host);

#endif
