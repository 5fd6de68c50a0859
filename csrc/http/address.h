/*
 * Where to listen: reads the forms a person writes and resolves them. An address without a host is loopback. Whether it
 * may be listened at is http/policy's to say. Ordinary threads; a name other than localhost asks the system's resolver,
 * which may block and load modules, so a constructor passes numbers.
 */
#ifndef CPROF_HTTP_ADDRESS_H
#define CPROF_HTTP_ADDRESS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_DEFAULT "127.0.0.1:6060" /* what "1" means */
#define ADDRESS_UNIX    "unix:"          /* before a path */
#define ADDRESS_ROOM    128              /* "unix:", a path of 107 and its NUL; "[ffff:…:ffff]:65535" is shorter */

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* A relative path is made absolute. STATUS_ADDRESS when it cannot be read or resolved, or is too long for a socket. */
enum status address_parse(const char *text, struct address *out, struct reason *why);

/* "127.0.0.1:6060", "[::1]:6060", "unix:/run/app.sock". */
void address_print(const struct address *a, char text[ADDRESS_ROOM]);

/* 127.0.0.0/8, ::1, and the former written as an IPv6 address. */
bool address_is_loopback(const struct address *a);

#endif
