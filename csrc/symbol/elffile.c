#include "symbol/elffile.h"

#include "base/filter.h"

#include <gelf.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PARTS     65536u /* sections, or segments */
#define HEAD_BYTES    4096u  /* in which the ELF header lies, and mostly the program headers */
#define X86_64_UNWIND 0x70000001

/* Parts of a file, which may overlap. */
struct parts {
    int from;
    char *image; /* where they are copied; NULL: only counted */
    uint64_t file_bytes;
    uint64_t sum;
    bool failed;
};

static void take(struct parts *p, uint64_t at, uint64_t n)
{
    if (at > p->file_bytes || n > p->file_bytes - at)
        return; /* nobody can read it */
    p->sum = n > UINT64_MAX - p->sum ? UINT64_MAX : p->sum + n;
    p->failed = p->failed || p->sum > ELFFILE_MAX_COPIED;
    for (ssize_t some; p->image && n > 0 && !p->failed; at += (uint64_t)some, n -= (uint64_t)some) {
        some = pread(p->from, p->image + at, n, (off_t)at);
        p->failed = some <= 0;
    }
}

/* Of what is loaded, tables and stubs. */
static bool is_wanted(const GElf_Shdr *section)
{
    if (section->sh_type == SHT_NOBITS || !(section->sh_flags & SHF_ALLOC))
        return section->sh_type != SHT_NOBITS;
    bool is_code_or_data = section->sh_type == SHT_PROGBITS || section->sh_type == SHT_INIT_ARRAY ||
                           section->sh_type == SHT_FINI_ARRAY || section->sh_type == X86_64_UNWIND;
    return !is_code_or_data || ((section->sh_flags & SHF_EXECINSTR) && section->sh_entsize);
}

static void take_sections(struct parts *p, Elf *elf)
{
    size_t seen = 0;
    for (Elf_Scn *scn = NULL; seen < MAX_PARTS && (scn = elf_nextscn(elf, scn)); seen++) {
        GElf_Shdr section;
        if (gelf_getshdr(scn, &section) && is_wanted(&section))
            take(p, section.sh_offset, section.sh_size);
    }
}

static void take_notes(struct parts *p, Elf *elf)
{
    size_t n = 0;
    if (elf_getphdrnum(elf, &n) != 0)
        return;
    for (size_t i = 0; i < n && i < MAX_PARTS; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_NOTE)
            take(p, segment.p_offset, segment.p_filesz);
    }
}

/* False: it has none. */
static bool take_headers(struct parts *p, Elf *elf)
{
    GElf_Ehdr e;
    size_t segments = 0, sections = 0;
    if (!gelf_getehdr(elf, &e) || elf_getphdrnum(elf, &segments) != 0 || elf_getshdrnum(elf, &sections) != 0 ||
        !sections)
        return false;
    take(p, 0, p->file_bytes < HEAD_BYTES ? p->file_bytes : HEAD_BYTES);
    take(p, e.e_phoff, segments * e.e_phentsize);
    take(p, e.e_shoff, sections * e.e_shentsize);
    return true;
}

/* Without section headers nobody knows what is where. */
static void take_all(struct parts *p, Elf *elf)
{
    if (!take_headers(p, elf)) {
        take(p, 0, p->file_bytes);
        return;
    }
    take_sections(p, elf);
    take_notes(p, elf);
}

static bool is_short(const struct parts *p)
{
    return p->sum > 0 && p->sum <= ELFFILE_MAX_COPIED && p->file_bytes <= ELFFILE_MAX_BYTES;
}

static struct parts count(int fd)
{
    struct stat st;
    struct parts p = {.from = fd};
    Elf *elf = fstat(fd, &st) == 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        p.file_bytes = (uint64_t)st.st_size;
        take_all(&p, elf);
    }
    elf_end(elf);
    return p;
}

/* It may have become another file meanwhile, and must not be longer now. */
static enum elffile_how fill(int fd, const struct parts *counted, char *image)
{
    struct parts p = {.from = fd, .image = image, .file_bytes = counted->file_bytes};
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    if (elf)
        take_all(&p, elf);
    elf_end(elf);
    return elf && !p.failed && p.sum <= counted->sum ? ELFFILE_COPIED : ELFFILE_CUT;
}

bool elffile_make(struct elffile_image *image, size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    *image = (struct elffile_image){.at = at, .bytes = bytes};
    return true;
}

enum elffile_how elffile_copy(int fd, struct elffile_image *image)
{
    struct parts p = count(fd);
    *image = (struct elffile_image){0};
    if (!is_short(&p) || !elffile_make(image, p.file_bytes))
        return ELFFILE_TOO_LARGE;
    image->copied = p.sum;
    enum elffile_how how = fill(fd, &p, image->at);
    if (how != ELFFILE_COPIED)
        elffile_drop(image);
    return how;
}

void elffile_drop(struct elffile_image *image)
{
    if (image->at)
        munmap(image->at, image->bytes);
    *image = (struct elffile_image){0};
}

/* A limit for files is one for those in memory too, by a signal; and a filter may end whoever makes one. */
static bool may_make_files(size_t n)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && n <= limit.rlim_cur && !filter_here();
}

/* -1: not to be had. */
static int new_file(size_t n, char **image)
{
    int fd = may_make_files(n) ? memfd_create("cprof-elf", MFD_CLOEXEC) : -1;
    void *at =
        fd >= 0 && ftruncate(fd, (off_t)n) == 0 ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    *image = at;
    if (at != MAP_FAILED)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int elffile_copy_apart(int fd, size_t *copied)
{
    char *image;
    struct parts p = count(fd);
    int memory = is_short(&p) ? new_file(p.file_bytes, &image) : -1;
    *copied = 0;
    if (memory < 0)
        return fd;
    enum elffile_how how = fill(fd, &p, image);
    munmap(image, p.file_bytes);
    close(fd);
    *copied = p.sum;
    if (how == ELFFILE_COPIED)
        return memory;
    close(memory);
    return -1;
}

Elf *elffile_look(int fd)
{
    struct stat st;
    Elf *elf = fstat(fd, &st) == 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    struct parts p = {.from = fd};
    if (elf) {
        p.file_bytes = (uint64_t)st.st_size;
        take_notes(&p, elf);
    }
    if (p.sum <= ELFFILE_MAX_COPIED)
        return elf;
    elf_end(elf);
    return NULL;
}
