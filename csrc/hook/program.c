#include "hook/program.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define MAX_SCRIPTS 4                    /* as the kernel follows #! lines */
#define MAX_PHDRS   32                   /* linkers write about a dozen */
#define MAX_PATH    256                  /* of a loader or an interpreter; the kernel's own limit for the latter */
#define MAX_STRINGS ((uint64_t)64 << 20) /* of Chromium: some hundred KiB */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define LOADER  "ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define LOADER  "ld-linux-aarch64.so.1"
#endif

static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, to, n, (off_t)offset) == (ssize_t)n;
}

/* "#!/path argument\n" */
static bool read_script(int fd, char interpreter[MAX_PATH])
{
    ssize_t n = pread(fd, interpreter, MAX_PATH - 1, 0);
    if (n < 3 || interpreter[0] != '#' || interpreter[1] != '!')
        return false;
    interpreter[n] = '\0';
    char *at = interpreter + 2 + strspn(interpreter + 2, " \t");
    at[strcspn(at, " \t\n")] = '\0';
    memmove(interpreter, at, strlen(at) + 1);
    return interpreter[0] == '/';
}

struct segments {
    ElfW(Phdr) at[MAX_PHDRS];
    unsigned n;
};

static const ElfW(Phdr) * find(const struct segments *s, unsigned type)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->at[i].p_type == type)
            return &s->at[i];
    return NULL;
}

static uint64_t offset_of(const struct segments *s, uint64_t address)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->at[i].p_type == PT_LOAD && address >= s->at[i].p_vaddr && address - s->at[i].p_vaddr < s->at[i].p_filesz)
            return s->at[i].p_offset + (address - s->at[i].p_vaddr);
    return UINT64_MAX;
}

static bool has_own_loader(int fd, const struct segments *s)
{
    char path[MAX_PATH];
    const ElfW(Phdr) *p = find(s, PT_INTERP);
    if (p->p_filesz == 0 || p->p_filesz > sizeof path || !read_at(fd, path, p->p_filesz, p->p_offset))
        return true;
    path[p->p_filesz - 1] = '\0';
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, LOADER) == 0;
}

/* Where the names of its libraries and of what it shares with them lie. */
static bool find_strings(int fd, const struct segments *s, uint64_t *offset, uint64_t *n)
{
    const ElfW(Phdr) *p = find(s, PT_DYNAMIC);
    uint64_t address = 0;
    *n = 0;
    for (uint64_t at = 0; p && at + sizeof(ElfW(Dyn)) <= p->p_filesz; at += sizeof(ElfW(Dyn))) {
        ElfW(Dyn) d;
        if (!read_at(fd, &d, sizeof d, p->p_offset + at) || d.d_tag == DT_NULL)
            break;
        if (d.d_tag == DT_STRTAB)
            address = d.d_un.d_ptr;
        if (d.d_tag == DT_STRSZ)
            *n = d.d_un.d_val;
    }
    *offset = address ? offset_of(s, address) : UINT64_MAX;
    return *offset != UINT64_MAX && *n <= MAX_STRINGS;
}

static bool names_sanitizer(const char *text, size_t n)
{
    static const char *const names[] = {"libasan.so",  "libtsan.so",  "libhwasan.so", "libclang_rt.",
                                        "__asan_init", "__tsan_init", "__msan_init",  "__hwasan_init"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (memmem(text, n, names[i], strlen(names[i])))
            return true;
    return false;
}

/* In pieces that overlap by more than the longest name. */
static bool is_sanitized(int fd, const struct segments *s)
{
    char piece[1024];
    uint64_t offset, n;
    if (!find_strings(fd, s, &offset, &n))
        return false;
    for (uint64_t at = 0; at < n; at += sizeof piece - 32) {
        size_t some = n - at < sizeof piece ? (size_t)(n - at) : sizeof piece;
        if (!read_at(fd, piece, some, offset + at))
            return false;
        if (names_sanitizer(piece, some))
            return true;
    }
    return false;
}

static const char *judge(int fd)
{
    ElfW(Ehdr) e;
    struct segments s;
    if (!read_at(fd, &e, sizeof e, 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
        return NULL; /* whatever it is, the kernel will say */
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_machine != MACHINE)
        return "it is built for another machine";
    s.n = e.e_phnum;
    if (e.e_phentsize != sizeof(ElfW(Phdr)) || s.n > MAX_PHDRS || !read_at(fd, s.at, s.n * sizeof s.at[0], e.e_phoff))
        return NULL;
    if (!find(&s, PT_INTERP))
        return "it is statically linked";
    if (!has_own_loader(fd, &s))
        return "it brings a C library of its own";
    return is_sanitized(fd, &s) ? "it is built with a sanitizer" : NULL;
}

const char *program_unfit(const char *path)
{
    char interpreter[MAX_PATH];
    const char *why = NULL;
    for (int i = 0; path && i <= MAX_SCRIPTS; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
            return NULL;
        bool script = read_script(fd, interpreter);
        why = script ? NULL : judge(fd);
        close(fd);
        path = script ? interpreter : NULL;
    }
    return why;
}
