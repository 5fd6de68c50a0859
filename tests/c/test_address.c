/* http/address, http/security, http/target: pure functions, as tables. */
#include "check.h"
#include "http/address.h"
#include "http/security.h"
#include "http/target.h"

#include <stdlib.h>
#include <unistd.h>

static void reads(const char *text, const char *want)
{
    struct address a;
    struct reason why = {0};
    char got[ADDRESS_ROOM] = "";
    enum status s = address_parse(text, &a, &why);
    CHECK_INT(s, STATUS_OK);
    if (!s)
        address_print(&a, got);
    else
        fprintf(stderr, "%s: %s\n", text, why.text);
    CHECK_STR(got, want);
}

static void refuses(const char *text, enum status want, const char *part)
{
    struct address a;
    struct reason why = {0};
    CHECK_INT(address_parse(text, &a, &why), want);
    if (!strstr(why.text, part))
        fprintf(stderr, "%s: %s\n", text ? text : "(null)", why.text);
    CHECK(strstr(why.text, part));
}

static void addresses(void)
{
    reads("1", "127.0.0.1:6060");
    reads("6060", "127.0.0.1:6060");
    reads(":6060", "127.0.0.1:6060");
    reads("localhost:6060", "127.0.0.1:6060");
    reads("LocalHost:6060", "127.0.0.1:6060");
    reads("127.0.0.1:6060", "127.0.0.1:6060");
    reads("127.1.2.3:80", "127.1.2.3:80");
    reads(":1", "127.0.0.1:1");
    reads("0", "127.0.0.1:0");
    reads(":0", "127.0.0.1:0");
    reads("65535", "127.0.0.1:65535");
    reads("[::1]:6060", "[::1]:6060");
    reads("[::ffff:127.0.0.1]:6060", "[::ffff:127.0.0.1]:6060");
    refuses("", STATUS_ADDRESS, "empty");
    refuses(NULL, STATUS_ADDRESS, "empty");
    refuses("0.0.0.0:6060", STATUS_DENIED, "only loopback is served");
    refuses("*:6060", STATUS_DENIED, "only loopback is served");
    refuses("[::]:6060", STATUS_DENIED, "only loopback is served");
    refuses("10.1.2.3:6060", STATUS_DENIED, "only loopback is served");
    refuses("[fe80::1]:6060", STATUS_DENIED, "only loopback is served");
    refuses("65536", STATUS_ADDRESS, "not a port");
    refuses("127.0.0.1:99999999999999999999", STATUS_ADDRESS, "not a port");
    refuses("127.0.0.1:", STATUS_ADDRESS, "not a port");
    refuses("127.0.0.1:http", STATUS_ADDRESS, "not a port");
    refuses("127.0.0.1:-1", STATUS_ADDRESS, "not a port");
    refuses("127.0.0.1: 80", STATUS_ADDRESS, "not a port");
    refuses("localhost", STATUS_ADDRESS, "no port");
    refuses("::1:6060", STATUS_ADDRESS, "colons");
    refuses("[::1]", STATUS_ADDRESS, "[host]:port");
    refuses("[::1:6060", STATUS_ADDRESS, "[host]:port");
    refuses("no-such-host.invalid:6060", STATUS_ADDRESS, "cannot resolve");
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + sizeof longest - 4, ":80", 4);
    refuses(longest, STATUS_ADDRESS, "too long");
}

/* A socket's path is bound as it was meant, or not at all: cut short it would be another file. */
static void paths(void)
{
    char text[400] = "unix:", here[300] = "";
    reads("unix:/run/app.sock", "unix:/run/app.sock");
    reads("unix:///run/app.sock", "unix:///run/app.sock");
    refuses("unix:", STATUS_ADDRESS, "path of the socket is missing");
    memset(text + 5, '/', 107);
    reads(text, text);
    text[5 + 107] = 'x';
    refuses(text, STATUS_ADDRESS, "at most 107 bytes");
    CHECK(getcwd(here, sizeof here) && chdir("/tmp") == 0);
    reads("unix:a/b", "unix:/tmp/a/b");
    memset(text + 5, 'a', 107); /* fits, but not below a directory */
    text[5 + 107] = '\0';
    refuses(text, STATUS_ADDRESS, "at most 107 bytes");
    CHECK_INT(chdir("/"), 0);
    reads("unix:a", "unix:/a");
    CHECK_INT(chdir(here), 0);
}

static void hosts(void)
{
    static const struct {
        const char *host;
        bool allowed;
    } rows[] = {
        {"", true},
        {"localhost", true},
        {"localhost:6060", true},
        {"LOCALHOST.", true},
        {"a.localhost", true},
        {"127.0.0.1", true},
        {"127.0.0.1:6060", true},
        {"10.0.0.7:1", true},
        {"[::1]", true},
        {"[::1]:6060", true},
        {"ip6-localhost:1", true},
        {"evil.example", false},
        {"evil.example:6060", false},
        {"localhost.evil.example", false},
        {"notlocalhost", false},
        {".localhost", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1:6060:1", false},
        {"[::1", false},
        {"[::1]x", false},
        {"[::1]:", true},
        {"[evil.example]", false},
        {":6060", false},
        {"localhost:6060@evil", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (security_allows_host(rows[i].host, strlen(rows[i].host)) != rows[i].allowed)
            fprintf(stderr, "host %s\n", rows[i].host);
        CHECK(security_allows_host(rows[i].host, strlen(rows[i].host)) == rows[i].allowed);
    }
    char longest[500];
    memset(longest, '1', sizeof longest);
    CHECK(!security_allows_host(longest, sizeof longest));
}

static void cleans(const char *path, const char *want)
{
    struct buf out = {0};
    target_clean(path, strlen(path), &out);
    buf_put(&out, "", 1);
    CHECK_STR(out.data, want);
    buf_fini(&out);
}

static void value(const char *query, const char *key, const char *want)
{
    struct buf out = {0};
    bool found = target_value(query, query ? strlen(query) : 0, key, &out);
    CHECK(found == (want != NULL));
    CHECK(found || out.len == 0);
    buf_put(&out, "", 1);
    if (want)
        CHECK_STR(out.data, want);
    buf_fini(&out);
}

static void targets(void)
{
    struct target t;
    CHECK(target_split("/a/b?c?d#e", &t));
    CHECK_INT(t.path_len, 4);
    CHECK_STR(t.query, "c?d#e");
    CHECK(target_split("http://h:1?q", &t));
    CHECK(t.host_len == 3 && t.path_len == 0 && t.query_len == 1);
    CHECK(target_split("//a", &t) && t.host_len == 0 && t.path_len == 3);
    CHECK(target_split("/?%zz", &t)); /* the query is not judged here */
    CHECK(!target_split("", &t));
    CHECK(!target_split("*", &t));
    CHECK(!target_split("a", &t));
    CHECK(!target_split("/%", &t));
    CHECK(!target_split("/%4", &t));
    CHECK(!target_split("/%4g", &t));
    CHECK(!target_split("/a b", &t));
    CHECK(!target_split("/a\tb", &t));

    cleans("", "/");
    cleans("/", "/");
    cleans("///", "/");
    cleans("/..", "/");
    cleans("/../..", "/");
    cleans("/a//b", "/a/b");
    cleans("/a/./b/", "/a/b/");
    cleans("/a/../b", "/b");
    cleans("/a/b/..", "/a");
    cleans("/a/b/../", "/a/");
    cleans("/a/b/.", "/a/b");
    cleans("/a/...", "/a/...");
    cleans("/%2e%2e/a", "/%2e%2e/a");

    value("seconds=5", "seconds", "5");
    value("a=1&seconds=5&seconds=6", "seconds", "5");
    value("seconds=%35", "seconds", "5");
    value("s%65conds=5", "seconds", "5");
    value("seconds=a+b%2B", "seconds", "a b+");
    value("seconds", "seconds", "");
    value("seconds=", "seconds", "");
    value("seconds=%zz&seconds=7", "seconds", "7");
    value("seconds=1;2&seconds=7", "seconds", "7");
    value("xseconds=1", "seconds", NULL);
    value("&&", "seconds", NULL);
    value("", "seconds", NULL);
    value(NULL, "seconds", NULL);
}

int main(void)
{
    addresses();
    paths();
    hosts();
    targets();
    return check_done();
}
