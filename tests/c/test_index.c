/* The pages list profiles whose names a program chose: whatever they hold, no byte of it may mean anything in HTML or
 * in a URL. */
#include "check.h"

#include "encode/named.h"
#include "http/html.h"
#include "http/routes.h"
#include "http/webfiles.h"

#include <stdlib.h>

static const char *const hostile[] = {
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</td></table><script>alert(1)</script>",
    "a/b?c=d#e&f=g%41+h i",
    "javascript:alert(1)",
    "//evil.example/x",
    "<!--cprof:links-->",
    "na\xc3\xafve \xf0\x9f\x94\xa5 \xff\x01\n",
    "{{7*7}}`${1}`\\",
    "zz",
};
#define N_HOSTILE (sizeof hostile / sizeof *hostile)

/* The program's profiles, in place of encode/named's. */
bool named_at(size_t i, struct named *out)
{
    if (i >= N_HOSTILE)
        return false;
    *out = (struct named){.name = hostile[i], .description = hostile[i]};
    return true;
}

uint64_t named_count(const struct named *p)
{
    (void)p;
    return 7;
}

bool named_find(const char *name, size_t n, struct named *out)
{
    (void)name, (void)n, (void)out;
    return false;
}

enum status named_model(const struct named *p, enum naming_names names, struct model *m, struct reason *why)
{
    (void)p, (void)names, (void)m, (void)why;
    return STATUS_INVALID;
}

enum status named_delta(const struct model *earlier, const struct model *later, struct model *m, struct reason *why)
{
    (void)earlier, (void)later, (void)m, (void)why;
    return STATUS_INVALID;
}

enum status named_write(const struct named *p, int64_t debug, enum naming_names names, struct buf *out,
                        struct reason *why)
{
    (void)p, (void)debug, (void)names, (void)out, (void)why;
    return STATUS_INVALID;
}

static int code;
static char type[64];

static void set(struct exchange *ex, const char *name, const char *value)
{
    (void)ex;
    if (value && strcmp(name, "Content-Type") == 0)
        snprintf(type, sizeof type, "%s", value);
}

static void reply(struct exchange *ex, int status)
{
    (void)ex;
    code = status;
}

static const char *header(const struct exchange *ex, const char *name, size_t n)
{
    (void)ex;
    return n == 0 && strcmp(name, "Sec-Fetch-Site") == 0 ? hostile[0] : NULL;
}

static const struct exchange_port port = {.header = header, .set = set, .reply = reply};

/* The page, as a string to be freed. */
static char *page_of(void (*serve)(struct exchange *ex))
{
    struct exchange ex = {.method = METHOD_GET, .port = &port};
    serve(&ex);
    buf_put(&ex.out, "", 1);
    CHECK(!ex.out.failed);
    return ex.out.data;
}

static void serve_page(struct exchange *ex)
{
    ui_serve(ex, "ui/", 3);
}

/* Every address that the page links to holds nothing that ends an attribute or a URL's part. */
static int count_links(const char *page)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%/?=:,";
    int n = 0;
    for (const char *p = page; (p = strstr(p, "href=")); n++) {
        char quote = p[5];
        CHECK(quote == '"' || quote == '\'');
        p += 6;
        CHECK_INT(p[strspn(p, plain)], quote);
    }
    return n;
}

static void check_harmless(const char *page)
{
    static const char *const never[] = {"<img",      "<script>", "'alert",    "</table><",        "{{7*7}}'",
                                        "' onmouse", "href='//", "href=\"//", "href='javascript:"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        CHECK(!strstr(page, never[i]));
}

static void test_index(void)
{
    char *page = page_of(index_serve);
    CHECK_INT(code, 200);
    CHECK_STR(type, "text/html; charset=utf-8");
    CHECK(count_links(page) >= 2 * (int)N_HOSTILE);
    check_harmless(page);
    CHECK(strstr(page, "<tr><td>7</td><td><a href='a%2Fb%3Fc%3Dd%23e%26f%3Dg%2541%2Bh%20i?debug=1'>"
                       "a/b?c=d#e&amp;f=g%41+h i</a></td></tr>\n"));
    CHECK(strstr(page, "<li><a href='ui/?p=zz'>zz</a></li>"));
    CHECK(strstr(page, "<li><b>&lt;!--cprof:links--&gt;:</b> &lt;!--cprof:links--&gt;</li>"));
    CHECK(strstr(page, "<tr><td>7</td><td><a href='zz?debug=1'>zz</a></td></tr>\n"));
    free(page);
}

static void test_page(void)
{
    char *page = page_of(serve_page);
    CHECK_INT(code, 200);
    CHECK(count_links(page) >= 2 * (int)N_HOSTILE);
    check_harmless(page);
    CHECK(strstr(page, "<option>&#39; onmouseover=&#39;alert(1)</option>"));
    CHECK(strstr(page, "<option>&lt;!--cprof:links--&gt;</option>"));
    free(page);
}

static void test_escapes_come_back(void)
{
    for (size_t i = 0; i < N_HOSTILE; i++) {
        struct buf url = {0}, back = {0};
        html_put_url(&url, hostile[i], strlen(hostile[i]));
        CHECK(target_decode(url.data, url.len, false, &back));
        CHECK(back.len == strlen(hostile[i]) && memcmp(back.data, hostile[i], back.len) == 0);
        buf_fini(&url);
        buf_fini(&back);
    }
}

static void put_word(void *self, const char *word, size_t n)
{
    struct buf *out = self;
    buf_puts(out, "[");
    buf_put(out, word, n);
    buf_puts(out, "]");
}

static void test_fill(void)
{
    static const char text[] = "<!--cprof:a-->x<!--other--><!--cprof:bc--><!--cprof:open";
    struct webfile page = {.bytes = text, .n = strlen(text)};
    struct buf out = {0};
    webfiles_fill(&out, &page, put_word, &out);
    buf_put(&out, "", 1);
    CHECK_STR(out.data, "[a]x<!--other-->[bc]<!--cprof:open");
    buf_fini(&out);
    CHECK(!webfiles_find("", 0, &page) && !webfiles_find("flame", 5, &page));
    CHECK(webfiles_find("flame.js", 8, &page) && page.n > 1000 && memcmp(page.bytes, "\"use strict\"", 12) == 0);
}

int main(void)
{
    test_index();
    test_page();
    test_escapes_come_back();
    test_fill();
    return check_done();
}
