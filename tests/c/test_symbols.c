/* The tests count their own lines. */
/* clang-format off */
#include "symbol/symbols.h"

#include "check.h"
#include "symbol/known.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HERE(into) __asm__ volatile("1: lea 1b(%%rip), %0" : "=r"(into))
#elif defined(__aarch64__)
#define HERE(into) __asm__ volatile("adr %0, ." : "=r"(into))
#endif

static struct named_frame f[NAMER_MAX_INLINE];
static char scratch[64];

static size_t ask(struct namer *n, const void *address)
{
    return n->frames(n->self, (uintptr_t)address, f);
}

static struct symbols *open_later(struct namer *n)
{
    struct symbols *s = NULL;
    struct reason why = {""};
    CHECK_INT(symbols_open(&s, &process_self, &why), STATUS_OK);
    *n = symbols_namer(s);
    return s;
}

/* That of a process which has asked nothing yet. */
static struct symbols *open_session(struct namer *n)
{
    known_forget();
    return open_later(n);
}

/* The chain under test: outer calls middle calls inner, both inlined. */
enum { INNER_START = __LINE__ + 1 };
static inline __attribute__((always_inline)) void *inner(void)
{
    void *pc;
    HERE(pc); enum { INNER_AT = __LINE__ };
    CHECK(INNER_AT == INNER_START + 3);
    return pc;
}

enum { MIDDLE_START = __LINE__ + 1 };
static inline __attribute__((always_inline)) void *middle(int deep)
{
    if (deep)
        return inner();
    return NULL;
}

enum { OUTER_START = __LINE__ + 1 };
static __attribute__((noinline)) void *outer(int deep)
{
    void *pc = middle(deep);
    __asm__ volatile("" ::: "memory");
    return pc;
}

static void test_inline_chain(struct namer *n)
{
    void *pc = outer(1);
    CHECK_INT(ask(n, pc), 3);
    CHECK_STR(f[0].name, "inner");
    CHECK_STR(f[0].system_name, "inner");
    CHECK_INT(f[0].line, INNER_START + 3);
    CHECK_INT(f[0].start_line, INNER_START);
    CHECK_STR(f[1].name, "middle");
    CHECK_INT(f[1].line, MIDDLE_START + 3);
    CHECK_INT(f[1].start_line, MIDDLE_START);
    CHECK_STR(f[2].name, "outer");
    CHECK_INT(f[2].line, OUTER_START + 2);
    CHECK_INT(f[2].start_line, OUTER_START);
    for (int i = 0; i < 3; i++) {
        CHECK(f[i].file[0] == '/');
        CHECK_STR(strrchr(f[i].file, '/'), "/test_symbols.c");
    }
}

/* Deeper than there is room for: the outermost stay, and the last one tells the line of its own call. */
#define DEEPER(name, next)                                                                         \
    static inline __attribute__((always_inline)) void *name(void)                                  \
    {                                                                                              \
        void *pc = next();                                                                         \
        __asm__ volatile("" ::: "memory");                                                         \
        return pc;                                                                                 \
    }
#define DEEPER_4(a, b, c, d, next) DEEPER(d, next) DEEPER(c, d) DEEPER(b, c) DEEPER(a, b)
DEEPER_4(d36, d37, d38, d39, inner)
DEEPER_4(d32, d33, d34, d35, d36)
DEEPER_4(d28, d29, d30, d31, d32)
DEEPER_4(d24, d25, d26, d27, d28)
DEEPER_4(d20, d21, d22, d23, d24)
DEEPER_4(d16, d17, d18, d19, d20)
DEEPER_4(d12, d13, d14, d15, d16)
DEEPER_4(d08, d09, d10, d11, d12)
DEEPER_4(d04, d05, d06, d07, d08)
enum { D01_LINE = __LINE__ + 1 };
DEEPER_4(d00, d01, d02, d03, d04)

static __attribute__((noinline)) void *deep_outer(void)
{
    return d00();
}

static void test_deep_chain(struct namer *n)
{
    void *pc = deep_outer();
    CHECK_INT(ask(n, pc), NAMER_MAX_INLINE);
    CHECK_STR(f[NAMER_MAX_INLINE - 1].name, "deep_outer");
    CHECK_STR(f[NAMER_MAX_INLINE - 2].name, "d00");
    CHECK_STR(f[NAMER_MAX_INLINE - 3].name, "d01");
    CHECK_INT(f[NAMER_MAX_INLINE - 3].line, D01_LINE);
    CHECK_STR(f[0].name, "d30");
    CHECK(f[0].line > 0 && f[0].line < D01_LINE);
}

static void test_libraries(struct namer *n)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *in_libc = dlsym(libc, "malloc");
    dlclose(libc);
    size_t frames = ask(n, in_libc);
    CHECK(frames >= 1);
    CHECK_STR(f[frames - 1].name, "malloc");

    const void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
    if (vdso) {
        bool found = false;
        for (size_t at = 0; at < 8192 && !found; at += 16)
            if (ask(n, (const char *)vdso + at) == 1 && strstr(f[0].name, "clock_gettime"))
                found = true;
        CHECK(found);
    }
}

static void test_unknown(struct namer *n)
{
    CHECK_INT(ask(n, NULL), 0);
    CHECK_INT(ask(n, (void *)16), 0);
    CHECK_INT(ask(n, (void *)UINTPTR_MAX), 0);
    CHECK_INT(ask(n, scratch + 8), 0);
    CHECK_INT(ask(n, f + 1), 0);
    char hex[129];
    CHECK(!n->build_id(n->self, 16, hex, sizeof hex));
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_INT(ask(n, page), 0);
    munmap(page, 4096);
}

/* The build id as the loader shows it, in the form readelf -n prints. */
struct wanted {
    uintptr_t address;
    char hex[129];
};

static int find_note(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct wanted *w = arg;
    bool here = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        here |= p->p_type == PT_LOAD && w->address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz;
    }
    for (int i = 0; here && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const char *note = (const char *)(info->dlpi_addr + p->p_vaddr);
        const ElfW(Nhdr) *h = (const void *)note;
        if (p->p_type != PT_NOTE || h->n_type != NT_GNU_BUILD_ID)
            continue;
        for (unsigned b = 0; b < h->n_descsz; b++)
            sprintf(w->hex + 2 * b, "%02x", (unsigned char)note[sizeof *h + 4 + b]);
    }
    return here;
}

static void test_build_id(struct namer *n)
{
    void *places[] = {(void *)outer, dlsym(RTLD_NEXT, "printf")};
    for (size_t i = 0; i < 2; i++) {
        struct wanted w = {.address = (uintptr_t)places[i]};
        dl_iterate_phdr(find_note, &w);
        char hex[129] = "";
        if (!w.hex[0])
            continue;
        CHECK(n->build_id(n->self, w.address, hex, sizeof hex));
        CHECK_STR(hex, w.hex);
        CHECK(!n->build_id(n->self, w.address, hex, strlen(w.hex)));
        CHECK(n->build_id(n->self, w.address, hex, strlen(w.hex) + 1));
    }
}

/* Names stay where they are, and asking again and again costs nothing. */
static void test_many(struct namer *n)
{
    const char *code = dlsym(RTLD_NEXT, "printf");
    void *pc = outer(1);
    CHECK_INT(ask(n, pc), 3);
    struct named_frame before[3] = {f[0], f[1], f[2]};
    for (int i = 0; i < 10000; i++)
        ask(n, code + (i % 2500) * 8);
    struct mallinfo2 a = mallinfo2();
    for (int i = 0; i < 10000; i++)
        ask(n, code + (i % 2500) * 8);
    struct mallinfo2 b = mallinfo2();
    CHECK(b.uordblks + b.hblkhd <= a.uordblks + a.hblkhd + 65536);
    CHECK_STR(before[0].name, "inner");
    CHECK_STR(before[2].name, "outer");
    CHECK_INT(ask(n, pc), 3);
    for (int i = 0; i < 3; i++)
        CHECK(f[i].name == before[i].name && f[i].system_name == before[i].system_name && f[i].file == before[i].file);
}

static bool test_stub_is_named(struct namer *n, void *library)
{
    const char *from = dlsym(library, "visible");
    for (ptrdiff_t at = -4096; at < 4096; at++)
        if (ask(n, from + at) == 1 && !strcmp(f[0].name, "getppid@plt"))
            return true;
    return false;
}

/* Programs built for the occasion, in a directory of their own. */
static char dir[64];

static bool build(const char *format, ...)
{
    char command[4096] = "cd ";
    strcat(strcat(command, dir), " && ( ");
    va_list args;
    va_start(args, format);
    vsnprintf(command + strlen(command), sizeof command - 256, format, args);
    va_end(args);
    strcat(command, " ) >/dev/null 2>&1");
    return system(command) == 0;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    CHECK(out != NULL);
    if (out) {
        fputs(text, out);
        fclose(out);
    }
}

static void *load(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

#define ASM_HERE "1: lea 1b(%%rip), %0"

static const char c_source[] =
    "#include <unistd.h>\n"                                                       /* 1 */
    "static inline __attribute__((always_inline)) void *leaf(void)\n"             /* 2 */
    "{\n"
    "    void *pc;\n"
    "    __asm__ volatile(\"" ASM_HERE "\" : \"=r\"(pc));\n"                      /* 5 */
    "    return pc;\n"
    "}\n"
    "static inline __attribute__((always_inline)) void *wrap(void)\n"             /* 8 */
    "{\n"
    "    return leaf();\n"                                                        /* 10 */
    "}\n"
    "__attribute__((noinline)) static void *hidden(int x)\n"                      /* 12 */
    "{\n"
    "    void *pc = x ? wrap() : 0;\n"                                            /* 14 */
    "    __asm__ volatile(\"\" ::: \"memory\");\n"
    "    return pc;\n"
    "}\n"
    "void *probe(int x);\n"
    "void *probe(int x)\n"
    "{\n"
    "    return hidden(x);\n"
    "}\n"
    "void *visible(void);\n"
    "void *visible(void)\n"                                                       /* 24 */
    "{\n"
    "    void *pc;\n"
    "    __asm__ volatile(\"" ASM_HERE "\" : \"=r\"(pc));\n"
    "    return getppid() ? pc : 0;\n"
    "}\n";

static void check_c_chain(struct namer *n, void *library)
{
    void *(*probe)(int) = (void *(*)(int))dlsym(library, "probe");
    size_t frames = ask(n, probe(1));
    CHECK_INT(frames, 3);
    if (frames != 3)
        return;
    CHECK_STR(f[0].name, "leaf");
    CHECK_INT(f[0].line, 5);
    CHECK_INT(f[0].start_line, 2);
    CHECK_STR(f[1].name, "wrap");
    CHECK_INT(f[1].line, 10);
    CHECK_STR(f[2].name, "hidden");
    CHECK_INT(f[2].line, 14);
    CHECK_INT(f[2].start_line, 12);
    for (int i = 0; i < 3; i++) {
        CHECK(f[i].file[0] == '/');
        CHECK_STR(strrchr(f[i].file, '/'), "/s.c");
    }
}

/* Every way to have DWARF; what the machine cannot build is left out, by name. */
static void test_kinds_of_dwarf(void)
{
    static const struct {
        const char *name, *command;
    } kinds[] = {
        {"v5.so", "cc -O2 -gdwarf-5 -shared -fPIC s.c -o v5.so"},
        {"v4.so", "cc -O2 -gdwarf-4 -shared -fPIC s.c -o v4.so"},
        {"v3.so", "cc -O2 -gdwarf-3 -gstrict-dwarf -shared -fPIC s.c -o v3.so"},
        {"lto.so", "cc -O2 -g -flto -shared -fPIC s.c -o lto.so"},
        {"split5.so", "cc -O2 -gdwarf-5 -gsplit-dwarf -shared -fPIC s.c -o split5.so"},
        {"split4.so", "cc -O2 -gdwarf-4 -gsplit-dwarf -shared -fPIC s.c -o split4.so"},
        {"packed.so", "cc -O2 -g -gz -shared -fPIC s.c -o packed.so"},
        {"types.so", "cc -O2 -g -fdebug-types-section -shared -fPIC s.c -o types.so"},
        {"clang5.so", "clang -O2 -gdwarf-5 -shared -fPIC s.c -o clang5.so || clang-14 -O2 -gdwarf-5 -shared -fPIC s.c -o clang5.so"},
        {"clang4.so", "clang -O2 -gdwarf-4 -shared -fPIC s.c -o clang4.so || clang-14 -O2 -gdwarf-4 -shared -fPIC s.c -o clang4.so"},
        {"clangsplit.so", "clang -O2 -g -gsplit-dwarf -shared -fPIC s.c -o clangsplit.so || clang-14 -O2 -g -gsplit-dwarf -shared -fPIC s.c -o clangsplit.so"},
        {"clangsplit4.so", "clang -O2 -gdwarf-4 -gsplit-dwarf -shared -fPIC s.c -o clangsplit4.so || clang-14 -O2 -gdwarf-4 -gsplit-dwarf -shared -fPIC s.c -o clangsplit4.so"},
        {"beside.so", "cc -O2 -g -Wl,--build-id -shared -fPIC s.c -o beside.so && objcopy --only-keep-debug beside.so beside.dbg"
                      " && strip beside.so && objcopy --add-gnu-debuglink=beside.dbg beside.so"},
        {"bycrc.so", "cc -O2 -g -Wl,--build-id=none -shared -fPIC s.c -o bycrc.so && objcopy --only-keep-debug bycrc.so bycrc.dbg"
                     " && strip bycrc.so && objcopy --add-gnu-debuglink=bycrc.dbg bycrc.so && mkdir -p .debug && mv bycrc.dbg .debug"},
        {"dwz.so", "cc -O2 -g -shared -fPIC s.c -o dwz.so && cp dwz.so dwz2.so && dwz -m shared.dwz dwz.so dwz2.so"},
        {"norelro.so", "cc -O2 -g -Wl,-z,noseparate-code -shared -fPIC s.c -o norelro.so"},
        {"lld.so", "cc -O2 -g -fuse-ld=lld -shared -fPIC s.c -o lld.so"},
        {"high.so", "cc -O2 -g -Wl,-Ttext-segment=0x10000000 -shared -fPIC s.c -o high.so"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        void *library = build("%s", kinds[i].command) ? load(kinds[i].name) : NULL;
        if (!library) {
            printf("not built here: %s\n", kinds[i].name);
            continue;
        }
        struct namer n;
        struct symbols *s = open_session(&n);
        int failures = check_failures;
        check_c_chain(&n, library);
        if (check_failures != failures)
            fprintf(stderr, "... in %s\n", kinds[i].name);
        symbols_close(s);
        dlclose(library);
    }
}

/* libdw opens the file of a split unit by itself, and would wait for ever where a FIFO lies: it may only where all the
 * places in which it looks have regular files, or nothing. Without it there are the symbol table and the lines. In
 * another process, where files are not copied, it looks beside the library too. */
static void check_split_file(const struct process *process, bool is_found)
{
    void *library = load("there/sp.so");
    struct symbols *s = NULL;
    known_forget();
    CHECK(library != NULL && symbols_open(&s, process, NULL) == STATUS_OK);
    if (!library || !s)
        return;
    struct namer n = symbols_namer(s);
    if (is_found) {
        check_c_chain(&n, library);
    } else {
        CHECK_INT(ask(&n, ((void *(*)(int))dlsym(library, "probe"))(1)), 1);
        CHECK_STR(f[0].name, "hidden");
        CHECK_INT(f[0].line, 5);
    }
    symbols_close(s);
    dlclose(library);
}

static void test_split_files(void)
{
    static const struct {
        const char *arrange;
        bool is_found, is_found_elsewhere;
    } cases[] = {
        {"true", true, true},
        {"mv sp.dwo there", false, true},
        {"mv sp.dwo kept && ln -s kept sp.dwo", true, true},
        {"rm sp.dwo", false, false},
        {"mv sp.dwo kept && mkfifo sp.dwo", false, false},
        {"mkfifo there/sp.dwo", true, false},
        {"mv sp.dwo there && mkfifo sp.dwo", false, false},
        {"rm sp.dwo && mkfifo fifo && ln -s fifo sp.dwo", false, false},
        {"ln -s /dev/ptmx there/sp.dwo", true, false},
        {"rm sp.dwo && ln -s /dev/ptmx sp.dwo", false, false},
        {"mkdir there/sp.dwo", true, false},
        {"truncate -s 0 sp.dwo", false, false},
    };
    const struct process other = process_self;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(build("rm -rf sp.o sp.dwo kept fifo there && mkdir there && cc -O2 -g -gsplit-dwarf -fPIC -c s.c -o sp.o &&"
                    " cc -shared sp.o -o there/sp.so && test -f sp.dwo && %s", cases[i].arrange));
        int failures = check_failures;
        check_split_file(&process_self, cases[i].is_found);
        check_split_file(&other, cases[i].is_found_elsewhere);
        if (check_failures != failures)
            fprintf(stderr, "... after %s\n", cases[i].arrange);
    }
}

/* Likewise the file that several share, where ours was refused. Gone, it leaves what is not in it. */
static void test_shared_files(void)
{
    static const char *const arrangements[] = {"rm shared.dwz", "rm shared.dwz && mkfifo shared.dwz",
                                               "mv s.c shared.dwz", "rm shared.dwz && ln -s /dev/ptmx shared.dwz"};
    for (size_t i = 0; i < sizeof arrangements / sizeof arrangements[0]; i++) {
        bool is_built = build("cp s.c kept.c && rm -f shared.dwz && cc -O2 -g3 -shared -fPIC s.c -o dwz.so && cp dwz.so dwz2.so &&"
                              " dwz -m shared.dwz dwz.so dwz2.so && %s; made=$?; mv kept.c s.c; exit $made", arrangements[i]);
        void *library = is_built ? load("dwz.so") : NULL;
        if (!library) {
            printf("not built here: dwz.so\n");
            return;
        }
        struct namer n;
        struct symbols *s = open_session(&n);
        size_t frames = ask(&n, ((void *(*)(int))dlsym(library, "probe"))(1));
        CHECK(frames >= 1);
        CHECK_STR(f[frames - 1].name, "hidden");
        symbols_close(s);
        dlclose(library);
    }
    CHECK(build("rm shared.dwz"));
}

/* A compiler, or cp, writes over a file that is being read: what was mapped is then gone, and SIGBUS the host's end. */
static void check_cut_file(const char *command, const char *name, const char *cut, off_t left)
{
    void *library = build("%s", command) ? load(name) : NULL;
    char path[128];
    static char whole[1 << 20];
    snprintf(path, sizeof path, "%s/%s", dir, cut);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, whole, sizeof whole);
    CHECK(library != NULL && len > 0 && len < (ssize_t)sizeof whole);
    if (!library || len <= 0)
        return;
    void *pc = ((void *(*)(int))dlsym(library, "probe"))(1), *(*visible)(void) = (void *(*)(void))dlsym(library, "visible");
    void *other = visible();
    struct namer n;
    struct symbols *s = open_session(&n);
    CHECK_INT(ask(&n, other), 1);
    CHECK(len > left + 8192);
    CHECK_INT(ftruncate(fd, left), 0);
    CHECK_INT(ask(&n, pc), 3);
    CHECK_STR(f[2].name, "hidden");
    CHECK_INT(f[2].line, 14);
    symbols_close(s);
    s = open_session(&n); /* while nothing is there */
    CHECK(ask(&n, pc) <= 1);
    symbols_close(s);
    close(fd);
    dlclose(library);
}

static void test_cut_files(void)
{
    const off_t loaded = 0x4000; /* its code and data stay: the library is closed in the end */
    check_cut_file("cc -O2 -g3 -Wl,--build-id -shared -fPIC s.c -o cut.so", "cut.so", "cut.so", loaded);
    check_cut_file("cc -O2 -g3 -gz -Wl,--build-id -shared -fPIC s.c -o cutz.so", "cutz.so", "cutz.so", loaded);
    check_cut_file("cc -O2 -g3 -Wl,--build-id -shared -fPIC s.c -o apart.so && objcopy --only-keep-debug apart.so apart.dbg &&"
                   " strip apart.so && objcopy --add-gnu-debuglink=apart.dbg apart.so", "apart.so", "apart.dbg", 0);
}

static void test_stripped_and_replaced(const char *name, const char *flags)
{
    CHECK(build("cc -O2 -fcf-protection %s -shared -fPIC s.c -o %s && strip %s", flags, name, name));
    void *library = load(name);
    CHECK(library != NULL);
    if (!library)
        return;
    struct namer n;
    char hex[129], again[129] = "";
    void *(*visible)(void) = (void *(*)(void))dlsym(library, "visible");
    struct symbols *s = open_session(&n);
    CHECK_INT(ask(&n, visible()), 1);
    CHECK_STR(f[0].name, "visible");
    CHECK_STR(f[0].file, "");
    CHECK_INT(f[0].line, 0);
    CHECK_INT(ask(&n, ((void *(*)(int))dlsym(library, "probe"))(1)), 0);
    CHECK(test_stub_is_named(&n, library));
    bool has_id = n.build_id(n.self, (uintptr_t)visible, hex, sizeof hex);
    CHECK(has_id == (strstr(flags, "none") == NULL));
    symbols_close(s);

    CHECK(build("cc -O0 %s -shared -fPIC s.c -o new.so && mv new.so %s", flags, name));
    s = open_session(&n);
    CHECK_INT(ask(&n, (void *)visible), 0);
    CHECK(n.build_id(n.self, (uintptr_t)visible, again, sizeof again) == has_id);
    if (has_id)
        CHECK_STR(again, hex);
    symbols_close(s);

    CHECK(build("rm %s", name));
    s = open_session(&n);
    CHECK_INT(ask(&n, (void *)visible), 0);
    CHECK(n.build_id(n.self, (uintptr_t)visible, again, sizeof again) == has_id);
    symbols_close(s);
    dlclose(library);
}

/* A library unmapped while the session lasts still gets its names, from its file. */
static void test_unmapped_meanwhile(void)
{
    CHECK(build("cc -O2 -g -shared -fPIC s.c -o gone.so"));
    void *library = load("gone.so");
    CHECK(library != NULL);
    if (!library)
        return;
    struct namer n;
    struct symbols *s = open_session(&n);
    void *pc = ((void *(*)(int))dlsym(library, "probe"))(1);
    dlclose(library);
    CHECK_INT(ask(&n, pc), 3);
    symbols_close(s);
}

/* What a session has found the next one knows, though the file is gone; and a module without a build id is known by its
 * file, of which another version may lie there now. */
static void test_known_later(const char *name, const char *flags)
{
    CHECK(build("cc -O2 -g %s -shared -fPIC s.c -o %s", flags, name));
    void *library = load(name);
    CHECK(library != NULL);
    if (!library)
        return;
    struct namer n;
    void *pc = ((void *(*)(int))dlsym(library, "probe"))(1), *fresh = dlsym(library, "visible");
    bool has_id = strstr(flags, "none") == NULL;
    struct symbols *s = open_session(&n);
    check_c_chain(&n, library);
    uint64_t entry = n.entry(n.self, (uintptr_t)pc);
    CHECK(entry && entry <= (uintptr_t)pc);
    symbols_close(s);

    s = open_later(&n);
    check_c_chain(&n, library);
    CHECK(n.entry(n.self, (uintptr_t)pc) == entry);
    symbols_close(s);
    CHECK(known_bytes() > 0 && known_bytes() < 1 << 20);

    CHECK(build("cc -O0 -g %s -shared -fPIC s.c -o new.so && mv new.so %s", flags, name));
    s = open_later(&n);
    if (has_id) {
        check_c_chain(&n, library);
        CHECK(n.entry(n.self, (uintptr_t)pc) == entry);
    } else
        CHECK_INT(ask(&n, pc), 0);
    CHECK_INT(ask(&n, fresh), 0); /* nobody has asked for it before */
    symbols_close(s);
    dlclose(library);
}

/* Another library at the place of one that was closed, between two sessions. */
static void test_another_in_its_place(void)
{
    CHECK(build("cc -O2 -g -shared -fPIC s.c -o one.so"
                " && sed -e s/hidden/behind/ -e s/leaf/twig/ -e s/wrap/wind/ s.c >t.c && cc -O2 -g -shared -fPIC t.c -o two.so"));
    struct namer n;
    void *pc[2];
    for (int i = 0; i < 2; i++) {
        void *library = load(i ? "two.so" : "one.so");
        CHECK(library != NULL);
        if (!library)
            return;
        pc[i] = ((void *(*)(int))dlsym(library, "probe"))(1);
        struct symbols *s = i ? open_later(&n) : open_session(&n);
        CHECK_INT(ask(&n, pc[i]), 3);
        CHECK_STR(f[0].name, i ? "twig" : "leaf");
        CHECK_STR(f[1].name, i ? "wind" : "wrap");
        CHECK_STR(f[2].name, i ? "behind" : "hidden");
        symbols_close(s);
        dlclose(library);
        s = open_later(&n);
        CHECK_INT(ask(&n, pc[i]), 0); /* nothing is there */
        symbols_close(s);
    }
    if (pc[0] != pc[1])
        printf("not tried here: the loader took another place\n");
}

/* A debug file where distributions put it, found by build id alone. Their folder is root's: in a namespace of our own,
 * where that can be had, nothing of the machine is touched. */
static int as_program_with_installed_debug_file(void)
{
    struct namer n;
    struct symbols *s = open_session(&n);
    test_inline_chain(&n);
    symbols_close(s);
    return check_done();
}

static void test_installed_by_build_id(void)
{
    if (!build("unshare -rm true || unshare -m true") || !build("test -d /usr/lib/debug")) {
        printf("not tried here: /usr/lib/debug\n");
        return;
    }
    CHECK(build("cp /proc/$PPID/exe whole && objcopy --only-keep-debug whole whole.debug && cp whole bare && strip -g bare"
                " && mv whole.debug installed && rm whole"
                " && id=$(readelf -n bare | sed -n 's/.*Build ID: //p') && test -n \"$id\" && cat >within <<END\n"
                "mount -t tmpfs none /usr/lib/debug && mkdir -p /usr/lib/debug/.build-id/$(echo $id | cut -c1-2) &&"
                " cp installed /usr/lib/debug/.build-id/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-).debug && ./bare installed\n"
                "END\n"
                "sh -c '! ./bare installed'"));
    CHECK(build("unshare -rm sh within || unshare -m sh within"));
}

/* A debug file that takes hundreds of megabytes once unpacked is not worth them: names there are, lines not. */
static void test_packed_too_big(void)
{
    void *library = NULL;
    if (build("truncate -s 200M zeros && cc -O2 -g -shared -fPIC s.c -o huge.so && objcopy --add-section .debug_macro=zeros huge.so"
              " && objcopy --compress-debug-sections huge.so && rm zeros"))
        library = load("huge.so");
    if (!library) {
        printf("not built here: huge.so\n");
        return;
    }
    struct namer n;
    struct symbols *s = open_session(&n);
    CHECK_INT(ask(&n, ((void *(*)(int))dlsym(library, "probe"))(1)), 1);
    CHECK_STR(f[0].name, "hidden");
    CHECK_STR(f[0].file, "");
    symbols_close(s);
    dlclose(library);
}

/* .gnu_debugdata: a symbol table packed into the stripped file. */
static void test_mini_debuginfo(void)
{
    void *library = NULL;
    if (build("cc -O2 -shared -fPIC s.c -o mini.so && cp mini.so mini.syms && xz mini.syms && strip mini.so"
              " && objcopy --add-section .gnu_debugdata=mini.syms.xz mini.so"))
        library = load("mini.so");
    if (!library) {
        printf("not built here: mini.so\n");
        return;
    }
    struct namer n;
    struct symbols *s = open_session(&n);
    CHECK_INT(ask(&n, ((void *(*)(int))dlsym(library, "probe"))(1)), 1);
    CHECK_STR(f[0].name, "hidden");
    symbols_close(s);
    dlclose(library);
}

/* This program again, from a file that is replaced while it runs: the kernel still has the old one. */
static int as_replaced_program(void)
{
    char path[256];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(len > 0);
    path[len > 0 ? len : 0] = '\0';
    CHECK_INT(unlink(path), 0);
    FILE *other = fopen(path, "w");
    CHECK(other && fputs("not a program", other) >= 0 && fclose(other) == 0);
    struct namer n;
    struct symbols *s = open_session(&n);
    test_inline_chain(&n);
    symbols_close(s);
    return check_done();
}

static const char cpp_source[] =
    "namespace shapes {\n"                                                        /* 1 */
    "template <class T> struct box {\n"
    "    T value;\n"
    "    inline __attribute__((always_inline)) void *where(T) const\n"            /* 4 */
    "    {\n"
    "        void *pc;\n"
    "        __asm__ volatile(\"" ASM_HERE "\" : \"=r\"(pc));\n"                  /* 7 */
    "        return pc;\n"
    "    }\n"
    "};\n"
    "template <class T> inline __attribute__((always_inline)) void *ask(T v)\n"   /* 11 */
    "{\n"
    "    return box<T>{v}.where(v);\n"                                            /* 13 */
    "}\n"
    "__attribute__((noinline)) void *outer(long v)\n"                             /* 15 */
    "{\n"
    "    return ask(v);\n"                                                        /* 17 */
    "}\n"
    "}\n"
    "extern \"C\" void *probe(int x) { return shapes::outer(x); }\n";

static void check_cpp(struct namer *n, void *library)
{
    size_t frames = ask(n, ((void *(*)(int))dlsym(library, "probe"))(1));
    CHECK_INT(frames, 3);
    if (frames != 3)
        return;
    CHECK_STR(f[0].name, "shapes::box<long>::where(long) const");
    CHECK_STR(f[0].system_name, "_ZNK6shapes3boxIlE5whereEl");
    CHECK_INT(f[0].line, 7);
    CHECK_INT(f[0].start_line, 4);
    CHECK_STR(f[1].name, "shapes::ask<long>(long)");
    CHECK_STR(f[1].system_name, "_ZN6shapes3askIlEEPvT_");
    CHECK_INT(f[1].line, 13);
    CHECK_STR(f[2].name, "shapes::outer(long)");
    CHECK_STR(f[2].system_name, "_ZN6shapes5outerEl");
    CHECK_INT(f[2].line, 17);
    CHECK_INT(f[2].start_line, 15);
}

static void test_cpp(void)
{
    static const char *commands[] = {
        "c++ -O2 -g -shared -fPIC p.cc -o p%zu.so",
        "c++ -O2 -gdwarf-4 -fdebug-types-section -shared -fPIC p.cc -o p%zu.so",
        "c++ -O2 -g -flto -shared -fPIC p.cc -o p%zu.so",
        "clang++-14 -O2 -g -shared -fPIC p.cc -o p%zu.so",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%zu.so", i);
        char command[256];
        snprintf(command, sizeof command, commands[i], i);
        void *library = build("%s", command) ? load(name) : NULL;
        if (!library) {
            printf("not built here: %s\n", command);
            continue;
        }
        struct namer n;
        struct symbols *s = open_session(&n);
        int failures = check_failures;
        check_cpp(&n, library);
        if (check_failures != failures)
            fprintf(stderr, "... in %s\n", command);
        symbols_close(s);
        dlclose(library);
    }
}

/* Files that are closed after each answer, as many large ones are, give the same answers. */
static void test_closed_in_between(void)
{
    size_t usual = symbols_open_bytes;
    symbols_open_bytes = 0;
    struct namer n;
    struct symbols *s = open_session(&n);
    test_inline_chain(&n);
    test_libraries(&n);
    test_inline_chain(&n);
    symbols_close(s);
    test_kinds_of_dwarf();
    test_cpp();
    symbols_open_bytes = usual;
}

/* The file's DWARF spoiled, byte by byte in places: names may be missing, nothing else may happen. */
static void test_broken_dwarf(void)
{
    CHECK(build("cc -O2 -g -shared -fPIC s.c -o whole.so && objcopy --only-keep-debug whole.so keep.dbg"
                " && strip whole.so && objcopy --add-gnu-debuglink=keep.dbg whole.so"));
    void *library = load("whole.so");
    char path[128];
    snprintf(path, sizeof path, "%s/keep.dbg", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(library != NULL && fd >= 0);
    if (!library || fd < 0)
        return;
    static char whole[1 << 20], spoiled[1 << 20];
    ssize_t len = read(fd, whole, sizeof whole);
    CHECK(len > 0);
    void *pc = ((void *(*)(int))dlsym(library, "probe"))(1);
    unsigned random = 1;
    for (int round = 0; round < 300; round++) {
        memcpy(spoiled, whole, (size_t)len);
        for (int i = 0; i < 1 + round % 40; i++) {
            random = random * 1103515245 + 12345;
            /* The first bytes stay: they hold the build id, without which the file is not looked at. */
            size_t at = 0x300 + (random >> 4) % (size_t)(len - 0x300);
            random = random * 1103515245 + 12345;
            spoiled[at] = (char)(random >> 16);
        }
        CHECK_INT(pwrite(fd, spoiled, (size_t)len, 0), len);
        struct namer n;
        struct symbols *s = open_session(&n);
        for (int at = -64; at < 64; at += 3)
            CHECK(ask(&n, (char *)pc + at) <= NAMER_MAX_INLINE);
        symbols_close(s);
    }
    close(fd);
    dlclose(library);
}

/* What libdw decodes it keeps: a program of thousands of units, all of them sampled, took gigabytes of its host's heap. */
static void test_many_lines(void)
{
    enum { UNITS = 12, LINES = 100000 };
    void *library = NULL;
    if (build("{ echo '.globl unit_N'; echo '.type unit_N,@function'; echo unit_N:; yes nop | head -n %d; echo ret;"
              " echo '.size unit_N,.-unit_N'; } >u.s && as -g u.s -o u.o && for i in $(seq 0 %d); do"
              " objcopy --redefine-sym unit_N=unit_$i u.o u$i.o || exit 1; done && cc -shared u?.o u??.o -o units.so && rm u*.o u.s",
              LINES, UNITS - 1))
        library = load("units.so");
    if (!library) {
        printf("not built here: units.so\n");
        return;
    }
    size_t usual = symbols_open_bytes, most = 0;
    symbols_open_bytes = 8 << 20;
    struct mallinfo2 before = mallinfo2();
    struct namer n;
    struct symbols *s = open_session(&n);
    for (int i = 0; i < UNITS; i++) {
        char name[32];
        snprintf(name, sizeof name, "unit_%d", i);
        char *start = dlsym(library, name);
        CHECK_INT(ask(&n, start + 1000), 1);
        CHECK_STR(f[0].name, "unit_N"); /* as its DWARF still calls it */
        CHECK_INT(f[0].line, 4 + 1000);
        struct mallinfo2 now = mallinfo2();
        size_t grown = now.uordblks + now.hblkhd - before.uordblks - before.hblkhd;
        most = grown > most ? grown : most;
    }
    symbols_close(s);
    symbols_open_bytes = usual;
    CHECK(most < 8 * 3 << 20); /* a unit is 5 MiB: without a bound it would be 60 */
    dlclose(library);
}

/* The packed symbol table spoiled where it lies in the file, behind all that is mapped. */
static void test_broken_mini_debuginfo(void)
{
    void *library = NULL;
    if (build("cc -O2 -shared -fPIC s.c -o pack.so && cp pack.so pack.syms && xz pack.syms && strip pack.so"
              " && objcopy --add-section .gnu_debugdata=pack.syms.xz pack.so"))
        library = load("pack.so");
    char path[128];
    static char whole[1 << 16], spoiled[1 << 16];
    snprintf(path, sizeof path, "%s/pack.so", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, whole, sizeof whole);
    const char *pack = n > 0 ? memmem(whole, (size_t)n, "\xfd" "7zXZ", 6) : NULL;
    snprintf(path, sizeof path, "%s/pack.syms.xz", dir);
    struct stat st;
    if (!library || !pack || stat(path, &st) != 0) {
        printf("not built here: pack.so\n");
        return;
    }
    void *pc = ((void *(*)(int))dlsym(library, "probe"))(1);
    unsigned random = 7;
    for (int round = 0; round < 300; round++) {
        memcpy(spoiled, pack, (size_t)st.st_size);
        for (int i = 0; i < round % 20; i++) {
            random = random * 1103515245 + 12345;
            spoiled[(random >> 8) % (unsigned)st.st_size] = (char)(random >> 24);
        }
        CHECK_INT(pwrite(fd, spoiled, (size_t)st.st_size, pack - whole), st.st_size);
        struct namer names;
        struct symbols *s = open_session(&names);
        size_t frames = ask(&names, pc);
        CHECK(frames <= 1 && (round % 20 || frames == 1));
        symbols_close(s);
    }
    close(fd);
    dlclose(library);
}

/* A profile, a look at /debug/pprof/symbol and a cprof_write at once, with what is kept thrown away meanwhile. */
static _Atomic int wrong;

static void *ask_again_and_again(void *pc)
{
    for (int i = 0; i < 40; i++) {
        struct symbols *s = NULL;
        struct named_frame mine[NAMER_MAX_INLINE];
        if (symbols_open(&s, &process_self, NULL) != STATUS_OK)
            return NULL;
        struct namer n = symbols_namer(s);
        for (int k = 0; k < 50; k++)
            n.frames(n.self, (uintptr_t)pc + (uintptr_t)(k + i) % 64, mine);
        if (n.frames(n.self, (uintptr_t)pc, mine) != 3 || strcmp(mine[0].name, "inner") || strcmp(mine[2].name, "outer"))
            atomic_fetch_add(&wrong, 1);
        symbols_close(s);
        if (i % 8 == 0)
            known_forget();
    }
    return NULL;
}

static void test_sessions_at_once(void)
{
    pthread_t threads[3];
    void *pc = outer(1);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, ask_again_and_again, pc);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(wrong, 0);
    known_forget();
    CHECK_INT(known_bytes(), 0);
}

/* Those a child would inherit, and all. */
static void count_descriptors(int *all, int *inherited)
{
    *all = *inherited = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        *all += flags >= 0;
        *inherited += flags >= 0 && !(flags & FD_CLOEXEC);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "replaced") == 0)
        return as_replaced_program();
    if (argc > 1 && strcmp(argv[1], "installed") == 0)
        return as_program_with_installed_debug_file();
    int all, inherited, all_now, inherited_now;
    count_descriptors(&all, &inherited);
    struct namer n;
    struct symbols *s = open_session(&n);
    if (!s)
        return check_done();
    CHECK_INT(outer(0) == NULL, 1);
    test_inline_chain(&n);
    test_deep_chain(&n);
    test_libraries(&n);
    test_unknown(&n);
    test_build_id(&n);
    test_many(&n);
    count_descriptors(&all_now, &inherited_now);
    CHECK_INT(inherited_now, inherited);
    symbols_close(s);
    symbols_close(NULL);
    test_sessions_at_once();

    strcpy(dir, "/tmp/test_symbols.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    CHECK(build("cp /proc/$PPID/exe program && ./program replaced"));
    if (build("cc --version")) {
        write_file("s.c", c_source);
        write_file("p.cc", cpp_source);
        test_kinds_of_dwarf();
        test_split_files();
        test_shared_files();
        test_cut_files();
        test_stripped_and_replaced("with.so", "-Wl,--build-id");
        test_stripped_and_replaced("without.so", "-Wl,--build-id=none");
        test_known_later("known.so", "-Wl,--build-id");
        test_known_later("knownfile.so", "-Wl,--build-id=none");
        test_another_in_its_place();
        test_installed_by_build_id();
        test_unmapped_meanwhile();
        test_mini_debuginfo();
        test_cpp();
        test_closed_in_between();
        test_packed_too_big();
        test_broken_dwarf();
        test_broken_mini_debuginfo();
        test_many_lines();
        symbols_open_bytes = 0;
        test_broken_dwarf();
    }
    build("rm -rf %s", dir);
    count_descriptors(&all_now, &inherited_now);
    CHECK_INT(all_now, all);
    return check_done();
}
