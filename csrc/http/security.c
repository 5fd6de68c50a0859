#include "http/security.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define MAX_LITERAL 80 /* an IPv6 address and a zone fit; what is longer is a name, and not ours */

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

bool security_allows_host(const char *host, size_t n)
{
    if (!n)
        return true;
    char name[MAX_LITERAL];
    if (host[0] == '[') {
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
    return is_literal(name) || is_localhost(name);
}
