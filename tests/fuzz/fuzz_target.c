/*
 * What strangers write, without a connection: heads and chunks, targets and their parameters, the bodies of symbol,
 * hosts, origins and tokens. The first byte says which. Violations abort, for the fuzzer to keep the input.
 */
#include "http/head.h"
#include "http/numbers.h"
#include "http/routes.h"
#include "http/security.h"
#include "http/token.h"
#include "no_engine.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- a port that takes answers and looks at them ---- */

static int replies;

static const char *no_header(const struct exchange *ex, const char *name, size_t n)
{
    (void)ex, (void)name, (void)n;
    return NULL;
}

/* A value with a line in it would be a header of the client's choice. */
static void check_header(struct exchange *ex, const char *name, const char *value)
{
    (void)ex, (void)name;
    for (; value && *value; value++)
        demand((unsigned char)*value >= 0x20 && (unsigned char)*value < 0x7f);
}

static bool contains(const struct buf *out, const char *what)
{
    return out->len && memmem(out->data, out->len, what, strlen(what));
}

static void check_reply(struct exchange *ex, int code)
{
    replies++;
    demand(code == 200 || code == 301 || (code >= 400 && code <= 501));
    demand(!contains(&ex->out, "<script>alert"));
    if (code == 301)
        demand(!ex->out.len || memchr(ex->out.data, '<', ex->out.len) == ex->out.data);
    exchange_free(ex);
}

static void no_wait(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex))
{
    (void)ns, (void)then;
    replies++;
    exchange_free(ex); /* the client has left */
}

static void run_now(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex))
{
    job(ex);
    then(ex);
}

static const struct exchange_port port = {
    .header = no_header, .set = check_header, .reply = check_reply, .wait = no_wait, .run = run_now};

/* ---- the inputs ---- */

static char *text_of(const uint8_t *bytes, size_t n)
{
    char *text = malloc(n + 1);
    demand(text != NULL);
    memcpy(text, bytes, n);
    text[n] = '\0';
    return text;
}

/* What is refused early is not sound later, and what was whole stays so. */
static void heads(const uint8_t *bytes, size_t n)
{
    const struct head_limits limits = {.target_bytes = 200, .head_bytes = 600, .body_bytes = 1000};
    struct head all, part;
    char *exact = text_of(bytes, n);
    int code = head_judge(exact, n, &limits, &all);
    demand(all.n <= n && (!code || !all.n || code == 400 || code == 413));
    for (size_t i = 0; i < n && i < 64; i++) {
        size_t cut = n * i / 64;
        int early = head_judge(exact, cut, &limits, &part);
        demand(!early || code);
        demand(early || !part.n || (!code && part.n == all.n));
    }
    free(exact);
}

static void chunks(const uint8_t *bytes, size_t n)
{
    size_t size, used, at = 0;
    for (bool first = true; at < n; first = false) {
        int code = head_chunk((const char *)bytes + at, n - at, first, 1000, &size, &used);
        demand(used <= n - at && used <= HEAD_CHUNK_LINE && size <= (code == 413 ? SIZE_MAX : 1000));
        if (code || !used || !size)
            return;
        at += used + size;
    }
}

/* Method, then the target's line, then the body. */
static void served(const uint8_t *bytes, size_t n)
{
    static const enum exchange_method methods[] = {METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER};
    struct exchange *ex = calloc(1, sizeof *ex);
    demand(ex != NULL);
    const uint8_t *end = n ? memchr(bytes, '\n', n) : NULL;
    size_t target = end ? (size_t)(end - bytes) : n;
    ex->port = &port;
    ex->method = target ? methods[bytes[0] % 4] : METHOD_GET;
    ex->uri = text_of(bytes + (target > 0), target - (target > 0));
    ex->sound = target_split(ex->uri, &ex->target);
    if (end)
        buf_put(&ex->body, end + 1, n - target - 1);
    replies = 0;
    routes_serve(ex);
    demand(replies == 1);
}

static void queries(const uint8_t *bytes, size_t n)
{
    static const char *const keys[] = {"seconds", "debug", "gc", "p"};
    char *text = text_of(bytes, n);
    struct target t = {.query = text, .query_len = n};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct buf value = {0};
        int64_t number;
        bool sound;
        if (target_value(text, n, keys[i], &value) && value.len) {
            demand(value.len <= n);
            numbers_parse(value.data, value.len, &number);
        }
        numbers_given(&t, keys[i], &number, &sound);
        numbers_param(&t, keys[i]);
        buf_fini(&value);
    }
    struct buf clean = {0}, again = {0};
    target_clean(text, n, &clean);
    target_clean(clean.data, clean.len, &again);
    demand(clean.len == again.len && memcmp(clean.data, again.data, clean.len) == 0);
    buf_fini(&clean);
    buf_fini(&again);
    free(text);
}

static void secrets(const uint8_t *bytes, size_t n)
{
    static const char token[POLICY_TOKEN_MAX + 1] = "0123456789abcdef";
    static const struct policy policy = {.hosts = "a.example,b.example."};
    char *text = text_of(bytes, n), kept[POLICY_TOKEN_MAX + 1];
    if (token_matches(token, text))
        demand(strcasestr(text, "bearer ") == text || strcasestr(text, "basic ") == text);
    if (security_allows_host(&policy, text, n))
        demand(!n || text[0] == '[' || !memchr(text, '/', n));
    security_is_own_origin(text, "localhost");
    if (token_check(text, n, "it", kept, NULL) == STATUS_OK)
        demand(memcmp(kept, text, n) == 0 && n >= POLICY_TOKEN_MIN);
    struct policy read;
    struct policy_wish wish = {.allow_host = text};
    if (policy_read(&wish, &read, NULL) == STATUS_OK)
        demand(strcmp(read.hosts, text) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {heads, chunks, served, queries, secrets};
    if (n)
        kinds[bytes[0] % 5](bytes + 1, n - 1);
    return 0;
}
