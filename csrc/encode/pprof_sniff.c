#include "encode/pprof_sniff.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define LOOK_BYTES  1024 /* enough of a text to see that it is one */
#define QUOTE_BYTES 60

struct magic {
    const char *bytes;
    size_t n;
    const char *sentence;
};

static const struct magic magics[] = {
    {"\x1f\x8b", 2, "gzipped twice; gunzip it once"},
    {"\177ELF", 4, "an ELF file, not a profile"},
    {"PERFILE2", 8, "a perf.data file, not a profile"},
    {"go 1.", 5, "a Go execution trace, not a profile"},
    {"PK\x03\x04", 4, "a zip archive, not a profile"},
    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd; a profile is gzipped or plain"},
    {"BZh", 3, "compressed with bzip2; a profile is gzipped or plain"},
    {"\3757zXZ", 5, "compressed with xz; a profile is gzipped or plain"},
    {"\x89PNG", 4, "a PNG image, not a profile"},
};

static bool sniff_magic(const char *bytes, size_t n, struct reason *why)
{
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (n >= magics[i].n && memcmp(bytes, magics[i].bytes, magics[i].n) == 0) {
            status_because(why, STATUS_MALFORMED, "%s", magics[i].sentence);
            return true;
        }
    }
    return false;
}

/* gperftools' binary form begins with the words 0, 3, 0, of 4 or 8 bytes, in either byte order. */
static bool sniff_binary_cpu(const char *bytes, size_t n, struct reason *why)
{
    for (size_t word = 4; word <= 8; word += 4) {
        if (n < 5 * word)
            continue;
        char little[24] = {0}, big[24] = {0};
        little[word] = 3;
        big[2 * word - 1] = 3;
        if (memcmp(bytes, little, 3 * word) == 0 || memcmp(bytes, big, 3 * word) == 0) {
            status_because(why, STATUS_MALFORMED, "a legacy binary CPU profile (gperftools), which is not read");
            return true;
        }
    }
    return false;
}

/* No control characters, and mostly ASCII: text in any usual encoding, but hardly random bytes. */
static bool is_text(const char *bytes, size_t n)
{
    size_t beyond_ascii = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == 0x7f || c == 0 || (c < ' ' && !strchr("\t\n\r\f", c)))
            return false;
        beyond_ascii += c >= 0x80;
    }
    return beyond_ascii <= n / 2;
}

static bool starts(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool is_legacy(const char *line)
{
    return strstr(line, " profile: ") || starts(line, "--- contention") || starts(line, "--- mutex") ||
           starts(line, "--- heapz") || starts(line, "--- threadz");
}

/* text is the start of the file, NUL-terminated; line its first line that says something. */
static void say_text(const char *text, struct reason *why)
{
    char line[QUOTE_BYTES + 1] = {0};
    for (size_t i = 0; i < QUOTE_BYTES && text[i] && !strchr("\r\n", text[i]); i++)
        line[i] = isprint((unsigned char)text[i]) ? text[i] : '?';

    if (starts(text, "<!doctype html") || starts(text, "<html"))
        status_because(why, STATUS_MALFORMED, "an HTML page, not a profile");
    else if (text[0] == '<')
        status_because(why, STATUS_MALFORMED, "an XML document, not a profile");
    else if (text[0] == '{' || text[0] == '[')
        status_because(why, STATUS_MALFORMED, "a JSON document, not a profile");
    else if (is_legacy(line))
        status_because(why, STATUS_MALFORMED, "a legacy text profile; ask the server without debug=1");
    else if (starts(text, "goroutine ") && isdigit((unsigned char)text[strlen("goroutine ")]))
        status_because(why, STATUS_MALFORMED, "a text listing of stacks; ask the server without debug=2");
    else
        status_because(why, STATUS_MALFORMED, "plain text, not a profile: \"%s\"", line);
}

static bool sniff_text(const char *bytes, size_t n, struct reason *why)
{
    char text[LOOK_BYTES + 1];
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        n -= 3;
    }
    while (n && isspace((unsigned char)*bytes)) {
        bytes++;
        n--;
    }
    size_t look = n < LOOK_BYTES ? n : LOOK_BYTES;
    if (!look || !is_text(bytes, look))
        return false;
    memcpy(text, bytes, look);
    text[look] = '\0';
    say_text(text, why);
    return true;
}

bool pprof_sniff(const void *bytes, size_t n, struct reason *why)
{
    return sniff_magic(bytes, n, why) || sniff_binary_cpu(bytes, n, why) || sniff_text(bytes, n, why);
}
