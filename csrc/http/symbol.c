#include "http/routes.h"
#include "symbol/symbols.h"

#include <string.h>

#define WORD_MAX 4096 /* Go's bufio buffer: a word and its '+' must fit */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* Takes the base's prefix off. A lone leading 0 stays: it may be all there is. */
static int take_base(const char **p, const char *end)
{
    if (end - *p < 2 || **p != '0')
        return 10;
    switch ((*p)[1] | 0x20) {
    case 'x': *p += 2; return 16;
    case 'o': *p += 2; return 8;
    case 'b': *p += 2; return 2;
    }
    *p += 1;
    return 8;
}

/* As strconv.ParseUint(…, 0, 64), with 0 for what it rejects: an underscore may follow the prefix or stand
 * between digits. */
static uint64_t read_pc(const char *p, size_t n)
{
    const char *end = p + n, *start = p;
    int base = take_base(&p, end);
    uint64_t value = 0;
    bool after_digit = p > start, any = p - start == 1;
    for (; p < end; p++) {
        if (*p == '_') {
            if (!after_digit)
                return 0;
            after_digit = false;
            continue;
        }
        int d = digit(*p);
        if (d >= base)
            return 0;
        after_digit = any = true;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) || __builtin_add_overflow(value, (uint64_t)d, &value))
            return 0;
    }
    return any && after_digit ? value : 0;
}

/* One line for each address: the function it is physically in, which is the outermost of its frames. */
static void put_name(struct buf *out, const struct namer *namer, uint64_t pc)
{
    struct named_frame frames[NAMER_MAX_INLINE];
    size_t n = namer->frames(namer->self, pc, frames);
    if (!n)
        return;
    const struct named_frame *f = &frames[n - 1];
    const char *name = f->name && *f->name ? f->name : f->system_name ? f->system_name : "";
    buf_printf(out, "0x%llx ", (unsigned long long)pc);
    for (; *name; name++)
        buf_put(out, (unsigned char)*name < 0x20 ? "?" : name, 1); /* a line feed would forge a line */
    buf_puts(out, "\n");
}

static void put_names(struct buf *out, const struct namer *namer, const char *words, size_t n)
{
    for (const char *p = words, *end = words + n; p < end;) {
        const char *plus = memchr(p, '+', (size_t)(end - p));
        const char *stop = plus ? plus : end;
        if ((plus ? plus + 1 : stop) - p > WORD_MAX || (!plus && stop - p == WORD_MAX)) {
            buf_puts(out, "reading request: bufio: buffer full\n");
            return;
        }
        uint64_t pc = read_pc(p, (size_t)(stop - p));
        if (pc)
            put_name(out, namer, pc);
        p = stop + 1;
    }
}

static void look_up(struct exchange *ex)
{
    struct symbols *session;
    ex->status = symbols_open(&session, &process_self, &ex->why);
    if (ex->status)
        return;
    struct namer namer = symbols_namer(session);
    if (ex->method == METHOD_POST)
        put_names(&ex->out, &namer, ex->body.data, ex->body.len);
    else if (ex->target.query)
        put_names(&ex->out, &namer, ex->target.query, ex->target.query_len);
    symbols_close(session);
}

static void answer(struct exchange *ex)
{
    if (ex->status)
        exchange_error(ex, 500, "Could not read symbols: %s", exchange_because(ex));
    else
        exchange_reply(ex, 200, "text/plain; charset=utf-8");
}

void symbol_serve(struct exchange *ex)
{
    buf_puts(&ex->out, "num_symbols: 1\n");
    if (ex->method == METHOD_POST ? ex->body.len : ex->target.query_len)
        exchange_run(ex, look_up, answer);
    else
        exchange_reply(ex, 200, "text/plain; charset=utf-8");
}
