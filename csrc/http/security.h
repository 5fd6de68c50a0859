/*
 * Whom a request may come from, beside who can connect at all (http/policy). Four questions, asked of each request
 * before anything else about it:
 *
 * - its Host. A web page in a browser of this machine, whose name was made to resolve to us (DNS rebinding), sends that
 *   name: only names that mean this machine are served, and those of allow_host.
 * - its Origin, which browsers send with what a page's script does: only our own.
 * - Sec-Fetch-*, which tell that another site's page is behind it: only a link that somebody followed to one of our
 * pages is served, nothing that starts a profile.
 * - the token, where there is one.
 *
 * No answer carries a CORS header: no other site's page can read any.
 */
#ifndef CPROF_HTTP_SECURITY_H
#define CPROF_HTTP_SECURITY_H

#include "http/exchange.h"
#include "http/policy.h"

#include <stdbool.h>
#include <stddef.h>

/* False: it has been answered. Loop's thread. */
bool security_admits(struct exchange *ex);

/* What a page of ours may load, and that nobody frames it: before the answer. */
void security_mark_page(struct exchange *ex);

/* The Host of a request, with or without port, n bytes. An absent or empty one is allowed: browsers always
 * send it. */
bool security_allows_host(const struct policy *policy, const char *host, size_t n);

/* Does origin name that very host, "http://" or "https://" before it? */
bool security_is_own_origin(const char *origin, const char *host);

#endif
