/*
 * Who may ask. The socket is bound to loopback (address.h), so only programs of this machine reach it; what
 * is left is a web page in a browser here whose name was made to resolve to loopback (DNS rebinding). Such a
 * request carries the page's name as its Host; a name is therefore only served when it means this machine.
 */
#ifndef CPROF_HTTP_SECURITY_H
#define CPROF_HTTP_SECURITY_H

#include <stdbool.h>
#include <stddef.h>

/* The Host of a request, with or without port, n bytes. An absent or empty one is allowed: browsers always
 * send it. */
bool security_allows_host(const char *host, size_t n);

#define SECURITY_DENIED_TEXT "Forbidden: this server answers to localhost and to IP addresses only"

/* What a page of ours may load (its own files) and who may frame it (nobody). */
#define SECURITY_PAGE_POLICY                                                                                           \
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "              \
    "frame-ancestors 'none'"

#endif
