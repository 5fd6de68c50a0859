#include "http/address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_HOST 255 /* longest name in DNS */

/* The two halves of an address as written; host "" means loopback. */
struct halves {
    char host[MAX_HOST + 1];
    const char *port;
};

static bool all_digits(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

static enum status split(const char *text, struct halves *out, struct reason *why)
{
    const char *host = text, *end;
    if (all_digits(text)) {
        end = text;
        out->port = text;
    } else if (*text == '[') {
        host = text + 1;
        end = strchr(text, ']');
        if (!end || end[1] != ':')
            return status_because(why, STATUS_ADDRESS, "cannot read \"%.100s\": want [host]:port", text);
        out->port = end + 2;
    } else {
        end = strrchr(text, ':');
        if (!end)
            return status_because(why, STATUS_ADDRESS, "the address \"%.100s\" has no port", text);
        if (memchr(text, ':', (size_t)(end - text)))
            return status_because(why, STATUS_ADDRESS, "too many colons in \"%.100s\": want [host]:port", text);
        out->port = end + 1;
    }
    size_t n = (size_t)(end - host);
    if (n > MAX_HOST)
        return status_because(why, STATUS_ADDRESS, "the host of the address is too long");
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    return STATUS_OK;
}

static enum status resolve(const char *host, const char *port, struct address *out, struct reason *why)
{
    struct addrinfo want = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(host, port, &want, &found);
    if (err == EAI_NONAME) {
        want.ai_flags = AI_NUMERICSERV;
        err = getaddrinfo(host, port, &want, &found);
    }
    if (err)
        return status_because(why, STATUS_ADDRESS, "cannot resolve \"%.100s\": %s", host, gai_strerror(err));
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return STATUS_OK;
}

/* Absolute, since the host may change its directory while the socket is open. */
static enum status read_path(const char *path, struct address *out, struct reason *why)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
    char here[PATH_MAX] = "";
    if (!*path)
        return status_because(why, STATUS_ADDRESS, "the path of the socket is missing, as in unix:/run/app.sock");
    if (*path != '/' && (!getcwd(here, sizeof here) || *here != '/'))
        return status_because(why, STATUS_ADDRESS, "%.100s is relative to no directory", path);
    const char *slash = *path != '/' && strcmp(here, "/") != 0 ? "/" : "";
    int n = snprintf(un->sun_path, sizeof un->sun_path, "%s%s%s", here, slash, path);
    if (n >= (int)sizeof un->sun_path)
        return status_because(why, STATUS_ADDRESS, "the path of a unix socket has at most %zu bytes: %.100s... has %d",
                              sizeof un->sun_path - 1, path, n);
    un->sun_family = AF_UNIX;
    out->len = sizeof *un;
    return STATUS_OK;
}

enum status address_parse(const char *text, struct address *out, struct reason *why)
{
    *out = (struct address){0};
    if (!text || !*text)
        return status_because(why, STATUS_ADDRESS, "the address is empty");
    if (strcmp(text, "1") == 0)
        text = ADDRESS_DEFAULT;
    if (strncmp(text, ADDRESS_UNIX, strlen(ADDRESS_UNIX)) == 0)
        return read_path(text + strlen(ADDRESS_UNIX), out, why);
    struct halves h = {.host = "", .port = ""};
    enum status s = split(text, &h, why);
    if (s)
        return s;
    if (!all_digits(h.port) || strlen(h.port) > 5 || atoi(h.port) > 65535)
        return status_because(why, STATUS_ADDRESS, "\"%.20s\" is not a port: want 0 to 65535", h.port);
    /* localhost is not looked up: the resolver may block, load modules, or give ::1 where users type
     * 127.0.0.1. "*" is what several tools write for every interface. */
    const char *host = h.host;
    if (!*host || strcasecmp(host, "localhost") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "*") == 0)
        host = "0.0.0.0";
    return resolve(host, h.port, out, why);
}

void address_print(const struct address *a, char text[ADDRESS_ROOM])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->sa.ss_family == AF_UNIX) {
        snprintf(text, ADDRESS_ROOM, ADDRESS_UNIX "%s", ((const struct sockaddr_un *)&a->sa)->sun_path);
    } else if (a->sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_ROOM, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_ROOM, "%s:%u", host, ntohs(in->sin_port));
    }
}

bool address_is_loopback(const struct address *a)
{
    if (a->sa.ss_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)&a->sa)->sin_addr.s_addr) >> 24) == 127;
    if (a->sa.ss_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}
