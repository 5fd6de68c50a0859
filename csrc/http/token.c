#include "http/token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* user:password, of which the user may be as long again */
#define BASIC_MAX ((POLICY_TOKEN_MAX + 1) * 2)

enum status token_check(const char *text, size_t n, const char *what, char out[POLICY_TOKEN_MAX + 1],
                        struct reason *why)
{
    if (n < POLICY_TOKEN_MIN || n > POLICY_TOKEN_MAX)
        return status_because(why, STATUS_INVALID, "%.120s must have %d to %d characters", what, POLICY_TOKEN_MIN,
                              POLICY_TOKEN_MAX);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return status_because(why, STATUS_INVALID, "%.120s must be one line of printable ASCII without blanks",
                                  what);
    memset(out, 0, POLICY_TOKEN_MAX + 1);
    memcpy(out, text, n);
    return STATUS_OK;
}

static enum status check_file(int fd, const char *path, struct reason *why)
{
    struct stat st;
    if (fstat(fd, &st))
        return status_because(why, STATUS_SYSTEM, "cannot read the token's file: %s", status_errno(errno));
    if (!S_ISREG(st.st_mode))
        return status_because(why, STATUS_INVALID, "the token's file %.100s is not a regular file", path);
    if (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP))
        return status_because(why, STATUS_DENIED, "the token's file %.100s is open to others (mode %04o): chmod 600",
                              path, (unsigned)st.st_mode & 07777);
    return STATUS_OK;
}

static enum status read_line(int fd, const char *path, char out[POLICY_TOKEN_MAX + 1], struct reason *why)
{
    char text[POLICY_TOKEN_MAX + 3]; /* a line feed, and one byte that shows that there is more */
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text && ((got = read(fd, text + n, sizeof text - n)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    if (n < sizeof text && got < 0)
        return status_because(why, STATUS_SYSTEM, "cannot read the token's file %.100s: %s", path, status_errno(errno));
    if (n && text[n - 1] == '\n')
        n--;
    char what[140] = "the token in ";
    strncat(what, path, 100);
    enum status s = token_check(text, n, what, out, why);
    explicit_bzero(text, sizeof text);
    return s;
}

enum status token_read_file(const char *path, char out[POLICY_TOKEN_MAX + 1], struct reason *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return status_because(why, errno == EACCES || errno == EPERM ? STATUS_DENIED : STATUS_INVALID,
                              "cannot read the token's file %.100s: %s", path, status_errno(errno));
    enum status s = check_file(fd, path, why);
    if (!s)
        s = read_line(fd, path, out, why);
    close(fd);
    return s;
}

/* ---- in a request ---- */

/* What follows the scheme and its blanks; NULL for another scheme. */
static const char *after_scheme(const char *value, const char *scheme)
{
    size_t n = strlen(scheme);
    return strncasecmp(value, scheme, n) == 0 && value[n] == ' ' ? value + n + strspn(value + n, " ") : NULL;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* base64 with or without its padding. False where it is none, or longer than what can be right. */
static bool decode(const char *text, char out[BASIC_MAX], size_t *n)
{
    unsigned bits = 0, have = 0;
    *n = 0;
    for (; *text && *text != '='; text++) {
        int six = sextet(*text);
        if (six < 0 || *n == BASIC_MAX)
            return false;
        bits = bits << 6 | (unsigned)six;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*n)++] = (char)(bits >> have & 0xff);
        }
    }
    return text[strspn(text, "=")] == '\0';
}

/* All of both rooms, whatever is in them. */
static bool same(const char token[POLICY_TOKEN_MAX + 1], const char *given, size_t n)
{
    char room[POLICY_TOKEN_MAX + 1] = "";
    if (n > POLICY_TOKEN_MAX)
        return false;
    memcpy(room, given, n);
    unsigned char differs = memchr(given, '\0', n) != NULL;
    for (size_t i = 0; i < sizeof room; i++)
        differs |= (unsigned char)(room[i] ^ ((const volatile char *)token)[i]);
    return !differs;
}

bool token_matches(const char token[POLICY_TOKEN_MAX + 1], const char *authorization)
{
    char pair[BASIC_MAX];
    size_t n;
    const char *given = after_scheme(authorization, "Bearer");
    if (given)
        return same(token, given, strlen(given));
    given = after_scheme(authorization, "Basic");
    if (!given || !decode(given, pair, &n))
        return false;
    const char *colon = memchr(pair, ':', n);
    return colon && same(token, colon + 1, n - (size_t)(colon + 1 - pair));
}
