/* http/address, policy, token, security, target: pure functions, as tables. */
#include "check.h"
#include "http/address.h"
#include "http/policy.h"
#include "http/security.h"
#include "http/target.h"
#include "http/token.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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
    reads("0.0.0.0:6060", "0.0.0.0:6060");
    reads("*:6060", "0.0.0.0:6060");
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
        {"http://x/.localhost", false},
        {"a b.localhost", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1:6060:1", false},
        {"[::1", false},
        {"[::1]x", false},
        {"[::1]:", true},
        {"[evil.example]", false},
        {":6060", false},
        {"localhost:6060@evil", false},
        {"db7.example", true},
        {"DB7.example:6060", true},
        {"db7.example.", true},
        {"second.example", true},
        {"db7.example,second.example", false},
        {"db7", false},
        {"db7.example.evil.example", false},
        {"x.db7.example", false},
        {"[db7.example]", false},
        {"[localhost]", false},
    };
    struct policy policy = {.hosts = "db7.example,second.example."};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (security_allows_host(&policy, rows[i].host, strlen(rows[i].host)) != rows[i].allowed)
            fprintf(stderr, "host %s\n", rows[i].host);
        CHECK(security_allows_host(&policy, rows[i].host, strlen(rows[i].host)) == rows[i].allowed);
    }
    char longest[500];
    memset(longest, '1', sizeof longest);
    CHECK(!security_allows_host(&policy, longest, sizeof longest));
}

/* ---- who is let in ---- */

static void admits(const char *address, struct policy_wish wish, enum status want, const char *part)
{
    struct policy policy;
    struct address a;
    struct reason why = {0};
    enum status s = policy_read(&wish, &policy, &why);
    if (!s && !(s = address_parse(address, &a, &why)))
        s = policy_admits(&policy, &a, address, &why);
    if (s != want || !strstr(why.text, part))
        fprintf(stderr, "%s: %d, %s\n", address, s, why.text);
    CHECK_INT(s, want);
    CHECK(strstr(why.text, part));
    CHECK(!strstr(why.text, "secret"));
}

#define TOKEN "a-secret-of-19-char"

/* Nothing beyond loopback is served that was not asked for in so many words, and each refusal says in which. */
static void policies(void)
{
    static const char *const remote[] = {"0.0.0.0:6060", "*:1", "[::]:6060", "10.1.2.3:6060", "[fe80::1]:6060"};
    struct policy_wish none = {0}, allowed = {.allow_remote = true},
                       open = {.allow_remote = true, .without_token = true},
                       closed = {.allow_remote = true, .token = TOKEN}, only_token = {.token = TOKEN},
                       only_without = {.without_token = true};
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        admits(remote[i], none, STATUS_DENIED, "needs allow_remote (CPROF_ALLOW_REMOTE=1, --allow-remote)");
        admits(remote[i], only_token, STATUS_DENIED, "needs allow_remote");
        admits(remote[i], only_without, STATUS_DENIED, "needs allow_remote");
        admits(remote[i], allowed, STATUS_DENIED, "needs token_file (CPROF_TOKEN_FILE, --token-file) or without_token");
        admits(remote[i], open, STATUS_OK, "");
        admits(remote[i], closed, STATUS_OK, "");
    }
    static const char *const local[] = {"6060", ":6060", "1", "localhost:1", "127.9.9.9:1", "[::1]:1", "unix:/a"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        admits(local[i], none, STATUS_OK, "");
        admits(local[i], allowed, STATUS_OK, "");
        admits(local[i], only_token, STATUS_OK, "");
    }
    admits("1", (struct policy_wish){.token = TOKEN, .token_file = "/x"}, STATUS_INVALID, "want one");
    admits("1", (struct policy_wish){.token = TOKEN, .without_token = true}, STATUS_INVALID, "without_token is set");
    admits("1", (struct policy_wish){.token = "secret-too-shor"}, STATUS_INVALID, "16 to 255 characters");
    admits("1", (struct policy_wish){.token = ""}, STATUS_INVALID, "16 to 255 characters");
    admits("1", (struct policy_wish){.token = "secret with blanks in it"}, STATUS_INVALID, "without blanks");
    admits("1", (struct policy_wish){.token = "secret-with-\xc3\xa4-umlaut"}, STATUS_INVALID, "printable ASCII");
    admits("1", (struct policy_wish){.allow_host = ""}, STATUS_OK, "");
    static const char *const names[] = {"a.example:80", "a b", ",", "a,", "a,,b", "*", "http://a", "[::1]", "\xff"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        admits("1", (struct policy_wish){.allow_host = names[i]}, STATUS_INVALID, "allow_host");
    char many[2000];
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    admits("1", (struct policy_wish){.allow_host = many}, STATUS_INVALID, "allow_host");
}

static void remote_words(void)
{
    static const struct {
        const char *word;
        enum status status;
        bool allow, without;
    } rows[] = {{NULL, STATUS_OK, false, false},          {"", STATUS_OK, false, false},
                {"0", STATUS_OK, false, false},           {"1", STATUS_OK, true, false},
                {"without-token", STATUS_OK, true, true}, {"yes", STATUS_INVALID, true, false},
                {"11", STATUS_INVALID, true, false},      {"without_token", STATUS_INVALID, true, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy_wish wish = {0};
        struct reason why = {0};
        CHECK_INT(policy_read_remote(rows[i].word, &wish, &why), rows[i].status);
        CHECK(wish.allow_remote == rows[i].allow && wish.without_token == rows[i].without);
        CHECK(!rows[i].status || strstr(why.text, "want 1 or without-token"));
    }
}

static void reads_file(const char *text, size_t n, mode_t mode, enum status want, const char *part)
{
    char path[] = "/tmp/cprof-token-XXXXXX", got[POLICY_TOKEN_MAX + 1] = "";
    struct reason why = {0};
    int fd = mkstemp(path);
    CHECK(write(fd, text, n) == (ssize_t)n && fchmod(fd, mode) == 0);
    close(fd);
    enum status s = token_read_file(path, got, &why);
    if (s != want || !strstr(why.text, part))
        fprintf(stderr, "%.40s: %d, %s\n", text, s, why.text);
    CHECK_INT(s, want);
    CHECK(strstr(why.text, part) && !strstr(why.text, "secret"));
    if (!s)
        CHECK_STR(got, TOKEN);
    unlink(path);
}

/* The text of a token must not come out of a file that anybody could have read, nor in a message. */
static void token_files(void)
{
    static const char line[] = TOKEN "\n";
    reads_file(line, strlen(line), 0600, STATUS_OK, "");
    reads_file(line, strlen(TOKEN), 0400, STATUS_OK, "");
    reads_file(line, strlen(TOKEN), 0640, STATUS_OK, "");
    reads_file(line, strlen(line), 0644, STATUS_DENIED, "open to others (mode 0644): chmod 600");
    reads_file(line, strlen(line), 0602, STATUS_DENIED, "open to others");
    reads_file(line, strlen(line), 0660, STATUS_DENIED, "open to others");
    reads_file("", 0, 0600, STATUS_INVALID, "must have 16 to 255");
    reads_file("secret\n", 7, 0600, STATUS_INVALID, "must have 16 to 255");
    reads_file("secret-of-20-characters\nand-another-line\n", 41, 0600, STATUS_INVALID, "one line");
    reads_file("secret-of-20-characters\r\n", 25, 0600, STATUS_INVALID, "one line");
    reads_file("secret-of-\0-characters\n", 23, 0600, STATUS_INVALID, "printable");
    static char long_one[100000];
    memset(long_one, 's', sizeof long_one);
    reads_file(long_one, sizeof long_one, 0600, STATUS_INVALID, "must have 16 to 255");
    char got[POLICY_TOKEN_MAX + 1];
    struct reason why = {0};
    CHECK_INT(token_read_file("/no/such", got, &why), STATUS_INVALID);
    CHECK(strstr(why.text, "/no/such: No such file"));
    CHECK_INT(token_read_file("/tmp", got, &why), STATUS_INVALID);
    CHECK_INT(token_read_file("/dev/zero", got, &why), STATUS_INVALID);
    CHECK(strstr(why.text, "not a regular file"));
    char fifo[] = "/tmp/cprof-fifo-XXXXXX";
    CHECK(mkdtemp(fifo));
    rmdir(fifo);
    CHECK_INT(mkfifo(fifo, 0600), 0);
    CHECK_INT(token_read_file(fifo, got, &why), STATUS_INVALID); /* and does not wait for a writer */
    unlink(fifo);
}

static void authorizations(void)
{
    static const struct {
        const char *value;
        bool matches;
    } rows[] = {
        {"Bearer a-secret-of-19-char", true},
        {"bearer   a-secret-of-19-char", true},
        {"Bearer a-secret-of-19-cha", false},
        {"Bearer a-secret-of-19-chars", false},
        {"Bearer A-secret-of-19-char", false},
        {"Bearer a-secret-of-19-char ", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"Bearera-secret-of-19-char", false},
        {"a-secret-of-19-char", false},
        {"Digest a-secret-of-19-char", false},
        {"", false},
        {"Basic eDphLXNlY3JldC1vZi0xOS1jaGFy", true},      /* x:TOKEN */
        {"BASIC OmEtc2VjcmV0LW9mLTE5LWNoYXI=", true},      /* :TOKEN */
        {"Basic OmEtc2VjcmV0LW9mLTE5LWNoYXI", true},       /* the same, unpadded */
        {"Basic YS1zZWNyZXQtb2YtMTktY2hhcg==", false},     /* no colon */
        {"Basic YS1zZWNyZXQtb2YtMTktY2hhcjo=", false},     /* TOKEN: */
        {"Basic eDphLXNlY3JldC1vZi0xOS1jaGFyAA==", false}, /* x:TOKEN NUL */
        {"Basic eDphLXNlY3JldC1vZi0xOS1jaGEA", false},
        {"Basic x:a-secret-of-19-char", false},
        {"Basic ====", false},
        {"Basic e=DphLXNlY3JldC1vZi0xOS1jaGFy", false},
    };
    char token[POLICY_TOKEN_MAX + 1] = TOKEN;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (token_matches(token, rows[i].value) != rows[i].matches)
            fprintf(stderr, "%s\n", rows[i].value);
        CHECK(token_matches(token, rows[i].value) == rows[i].matches);
    }
    char longest[20000] = "Bearer ";
    memset(longest + 7, 'a', sizeof longest - 8);
    CHECK(!token_matches(token, longest));
    memcpy(longest, "Basic ", 6);
    CHECK(!token_matches(token, longest));
    /* the longest token fits, by both ways */
    memset(token, 'k', POLICY_TOKEN_MAX);
    char bearer[300] = "Bearer ", basic[400] = "Basic a2s6"; /* kk: */
    memset(bearer + 7, 'k', POLICY_TOKEN_MAX);
    for (int i = 0; i < POLICY_TOKEN_MAX / 3; i++)
        memcpy(basic + 10 + (size_t)i * 4, "a2tr", 5); /* kkk */
    CHECK(token_matches(token, bearer));
    CHECK(token_matches(token, basic));
}

static void origins(void)
{
    CHECK(security_is_own_origin("http://localhost:6060", "localhost:6060"));
    CHECK(security_is_own_origin("https://LOCALHOST:6060", "localhost:6060"));
    CHECK(!security_is_own_origin("http://localhost:6061", "localhost:6060"));
    CHECK(!security_is_own_origin("http://localhost", "localhost:6060"));
    CHECK(!security_is_own_origin("null", "localhost:6060"));
    CHECK(!security_is_own_origin("", "localhost:6060"));
    CHECK(!security_is_own_origin("http://", ""));
    CHECK(!security_is_own_origin("http://a", NULL));
    CHECK(!security_is_own_origin("file://localhost:6060", "localhost:6060"));
    CHECK(!security_is_own_origin("http://localhost:6060/", "localhost:6060"));
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
    policies();
    remote_words();
    token_files();
    authorizations();
    origins();
    targets();
    return check_done();
}
