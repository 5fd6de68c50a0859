#include "http/policy.h"

#include "http/token.h"

#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define HOST_MAX 253 /* a name in DNS */

enum status policy_read_remote(const char *word, struct policy_wish *wish, struct reason *why)
{
    if (!word || !*word || strcmp(word, "0") == 0)
        return STATUS_OK;
    wish->allow_remote = true;
    wish->without_token = strcmp(word, "without-token") == 0;
    if (wish->without_token || strcmp(word, "1") == 0)
        return STATUS_OK;
    return status_because(why, STATUS_INVALID, "CPROF_ALLOW_REMOTE is \"%.40s\": want 1 or without-token", word);
}

static enum status read_hosts(const char *text, char out[POLICY_HOSTS_MAX + 1], struct reason *why)
{
    if (strlen(text) > POLICY_HOSTS_MAX)
        return status_because(why, STATUS_INVALID, "allow_host has more than %d bytes", POLICY_HOSTS_MAX);
    for (const char *p = text;; p++) {
        size_t n = strspn(p, POLICY_NAME_CHARS);
        if (n == 0 || n > HOST_MAX || (p[n] && p[n] != ','))
            return status_because(why, STATUS_INVALID,
                                  "allow_host is \"%.100s\": want names without port, separated by commas", text);
        p += n;
        if (!*p)
            break;
    }
    memcpy(out, text, strlen(text) + 1);
    return STATUS_OK;
}

static enum status read_token(const struct policy_wish *wish, struct policy *out, struct reason *why)
{
    if (wish->token && wish->token_file)
        return status_because(why, STATUS_INVALID, "both token and token_file are given: want one");
    if (out->without_token && (wish->token || wish->token_file))
        return status_because(why, STATUS_INVALID, "without_token is set, and a token is given");
    if (wish->token)
        return token_check(wish->token, strlen(wish->token), "the token", out->token, why);
    return wish->token_file ? token_read_file(wish->token_file, out->token, why) : STATUS_OK;
}

enum status policy_read(const struct policy_wish *wish, struct policy *out, struct reason *why)
{
    *out = (struct policy){.allow_remote = wish->allow_remote, .without_token = wish->without_token};
    enum status s = read_token(wish, out, why);
    return s || !wish->allow_host || !*wish->allow_host ? s : read_hosts(wish->allow_host, out->hosts, why);
}

enum status policy_admits(const struct policy *policy, const struct address *a, const char *text, struct reason *why)
{
    if (a->sa.ss_family == AF_UNIX || address_is_loopback(a))
        return STATUS_OK;
    if (!policy->allow_remote)
        return status_because(why, STATUS_DENIED,
                              "%.80s is not a loopback address, which needs allow_remote "
                              "(CPROF_ALLOW_REMOTE=1, --allow-remote)",
                              text);
    if (!*policy->token && !policy->without_token)
        return status_because(why, STATUS_DENIED,
                              "%.60s is not a loopback address, which needs token_file (CPROF_TOKEN_FILE, "
                              "--token-file) or without_token (CPROF_ALLOW_REMOTE=without-token, --without-token)",
                              text);
    return STATUS_OK;
}

bool policy_names(const struct policy *policy, const char *host)
{
    size_t want = strlen(host);
    for (const char *p = policy->hosts; *p;) {
        size_t n = strcspn(p, ","), name = n && p[n - 1] == '.' ? n - 1 : n;
        if (name && name == want && strncasecmp(p, host, want) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}
