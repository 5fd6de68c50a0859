#include "http/security.h"

#include "http/peer.h"
#include "http/token.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define MAX_NAME 254 /* a name in DNS with a dot behind it; an IPv6 address and a zone fit */

#define DENIED_HOST                                                                                                    \
    "Forbidden: this server answers to localhost and to IP addresses only; allow_host (CPROF_ALLOW_HOST, "             \
    "--allow-host) adds names"
#define DENIED_ORIGIN "Forbidden: the request comes from a page of another site"
#define DENIED_TOKEN                                                                                                   \
    "Unauthorized: this server wants its token, as a bearer (Authorization: Bearer TOKEN) or as the password of any "  \
    "user (http://x:TOKEN@host/)"

/* ---- Host ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t without_port(const char *host, size_t n)
{
    size_t i = n;
    while (i && is_digit(host[i - 1]))
        i--;
    return i && host[i - 1] == ':' ? i - 1 : n;
}

static bool is_literal(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool is_localhost(char *name)
{
    size_t n = strlen(name);
    if (n && name[n - 1] == '.')
        name[--n] = '\0';
    /* Browsers resolve every name below localhost to loopback themselves. */
    static const char below[] = ".localhost";
    size_t tail = sizeof below - 1;
    return strcasecmp(name, "localhost") == 0 || strcasecmp(name, "ip6-localhost") == 0 ||
           strcasecmp(name, "localhost.localdomain") == 0 || (n > tail && strcasecmp(name + n - tail, below) == 0);
}

bool security_allows_host(const struct policy *policy, const char *host, size_t n)
{
    if (!n)
        return true;
    char name[MAX_NAME + 1];
    bool brackets = host[0] == '[';
    if (brackets) {
        const char *end = memchr(host, ']', n);
        if (!end || without_port(end, n - (size_t)(end - host)) != 1)
            return false;
        n = (size_t)(end - host) - 1;
        host++;
    } else {
        n = without_port(host, n);
    }
    if (n >= sizeof name || memchr(host, '\0', n))
        return false;
    memcpy(name, host, n);
    name[n] = '\0';
    if (brackets || is_literal(name))
        return is_literal(name);
    return name[strspn(name, POLICY_NAME_CHARS)] == '\0' && (is_localhost(name) || policy_names(policy, name));
}

static bool host_allowed(const struct exchange *ex, const struct policy *policy)
{
    const char *host;
    if (peer_is_local_user(ex->peer)) /* a socket file: no name led here, and its mode says who may come */
        return true;
    for (size_t i = 0; (host = exchange_header(ex, "Host", i)); i++)
        if (!security_allows_host(policy, host, strlen(host)))
            return false;
    return security_allows_host(policy, ex->target.host, ex->target.host_len);
}

/* ---- what a browser tells of the page behind a request ---- */

bool security_is_own_origin(const char *origin, const char *host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(origin, schemes[i], strlen(schemes[i])) == 0)
            return host && *host && strcasecmp(origin + strlen(schemes[i]), host) == 0;
    return false;
}

static bool origins_allowed(const struct exchange *ex)
{
    const char *origin;
    for (size_t i = 0; (origin = exchange_header(ex, "Origin", i)); i++)
        if (!security_is_own_origin(origin, exchange_header(ex, "Host", 0)))
            return false;
    return true;
}

/* Each that was given says so, and there is one. */
static bool header_is(const struct exchange *ex, const char *name, const char *want)
{
    const char *value;
    size_t i;
    for (i = 0; (value = exchange_header(ex, name, i)); i++)
        if (strcmp(value, want) != 0)
            return false;
    return i > 0;
}

static bool is_other_site(const struct exchange *ex)
{
    return exchange_header(ex, "Sec-Fetch-Site", 0) && !header_is(ex, "Sec-Fetch-Site", "same-origin") &&
           !header_is(ex, "Sec-Fetch-Site", "none");
}

/* The pages that are made for people and start nothing by themselves: the flame graph's waits to be told where a link
 * of another site led to it (http/ui). */
static bool is_page(const struct target *t)
{
    static const char *const pages[] = {"/debug/pprof", "/debug/pprof/", "/debug/pprof/ui", "/debug/pprof/ui/"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (t->path_len == strlen(pages[i]) && memcmp(t->path, pages[i], t->path_len) == 0)
            return true;
    return false;
}

/* Somebody followed a link, in a tab of its own. */
static bool is_followed_link(const struct exchange *ex)
{
    return (ex->method == METHOD_GET || ex->method == METHOD_HEAD) && is_page(&ex->target) &&
           header_is(ex, "Sec-Fetch-Mode", "navigate") && header_is(ex, "Sec-Fetch-Dest", "document");
}

void security_mark_page(struct exchange *ex)
{
    exchange_set(ex, "Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    exchange_set(ex, "Referrer-Policy", "no-referrer");
}

/* ---- the token ---- */

/* Of several Authorization headers another server may have believed another one. */
static bool has_token(const struct exchange *ex, const struct policy *policy)
{
    const char *given = exchange_header(ex, "Authorization", 0);
    return given && !exchange_header(ex, "Authorization", 1) && token_matches(policy->token, given);
}

bool security_admits(struct exchange *ex)
{
    const struct policy *policy = peer_policy(ex->peer);
    if (!host_allowed(ex, policy)) {
        exchange_refuse(ex, 403, DENIED_HOST);
    } else if (!origins_allowed(ex) || (is_other_site(ex) && !is_followed_link(ex))) {
        exchange_refuse(ex, 403, DENIED_ORIGIN);
    } else if (*policy->token && !has_token(ex, policy)) {
        exchange_set(ex, "WWW-Authenticate", "Basic realm=\"cprof\"");
        exchange_refuse(ex, 401, DENIED_TOKEN);
    } else {
        return true;
    }
    return false;
}
