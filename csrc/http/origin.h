/* Where a connection comes from, asked of its socket. Pure but for that. */
#ifndef CPROF_HTTP_ORIGIN_H
#define CPROF_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

bool origin_is_unix(int fd);

/* Of a unix socket's other side: its file lets nobody else in, and this holds too where its mode was changed. */
bool origin_is_same_user(int fd);

/* Equal for connections of one client: its IPv4 address, of IPv6 the network, of which a client has all addresses. */
uint64_t origin_of(int fd);

#endif
