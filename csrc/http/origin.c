#include "http/origin.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool origin_is_unix(int fd)
{
    int domain;
    socklen_t n = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX;
}

bool origin_is_same_user(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == 0 || who.uid == geteuid());
}

uint64_t origin_of(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;
    uint64_t origin = 0;
    if (getpeername(fd, (struct sockaddr *)&sa, &n))
        return 0;
    if (sa.ss_family == AF_INET)
        origin = ((const struct sockaddr_in *)&sa)->sin_addr.s_addr;
    else if (sa.ss_family == AF_INET6)
        memcpy(&origin, &((const struct sockaddr_in6 *)&sa)->sin6_addr, sizeof origin);
    return origin;
}
