#include "symbol/modules.h"

#include "profile/hash.h"

#include <assert.h>
#include <elf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MAPPINGS   (1u << 20)        /* the kernel's own limit is 65,530 unless raised */
#define MAX_PHDRS      256u              /* linkers write about a dozen */
#define MAX_NOTE_BYTES 65536u            /* all notes of one segment; a few hundred bytes are usual */
#define MAX_VDSO_BYTES (1u << 20)        /* two to four pages so far */
#define PAGE_MASK      (~(uint64_t)4095) /* segments agree with their files modulo any page size, so modulo this */
#define NATIVE_CLASS   (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

struct mapping {
    uint64_t start, end, offset, inode;
    unsigned major, minor;
    bool runs;
    char *path; /* "" for anonymous memory */
};

struct mappings {
    struct mapping *at;
    size_t n, cap;
};

static void mappings_fini(struct mappings *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->at[i].path);
    free(m->at);
}

static bool mappings_add(struct mappings *m, const char *line)
{
    struct mapping new = {0};
    char flags[5];
    int path_at = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &new.start, &new.end, flags, &new.offset, &new.major, &new.minor,
               &new.inode, &path_at) < 7)
        return true;
    new.runs = flags[2] == 'x';
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 256;
        struct mapping *grown = realloc(m->at, cap * sizeof *grown);
        if (!grown)
            return false;
        m->at = grown;
        m->cap = cap;
    }
    new.path = strndup(line + path_at, strcspn(line + path_at, "\n"));
    if (!new.path)
        return false;
    m->at[m->n++] = new;
    return true;
}

static enum status mappings_read(struct mappings *m, const struct process *process, struct reason *why)
{
    *m = (struct mappings){0};
    FILE *f = process->open_maps(process->self);
    if (!f)
        return status_because(why, STATUS_SYSTEM, "cannot read what is mapped: %s", strerror(errno));
    enum status status = STATUS_OK;
    char *line = NULL;
    size_t room = 0;
    while (m->n < MAX_MAPPINGS && getline(&line, &room, f) > 0)
        if (!mappings_add(m, line)) {
            status = STATUS_NOMEM;
            break;
        }
    free(line);
    fclose(f);
    if (status != STATUS_OK)
        mappings_fini(m);
    return status;
}

static size_t pad(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* Notes are name and contents, each padded to the segment's alignment. */
static bool find_build_id(struct module *m, const char *notes, size_t n, size_t align)
{
    for (size_t at = 0; n - at >= sizeof(ElfW(Nhdr));) {
        ElfW(Nhdr) note;
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        size_t name = at;
        if (note.n_namesz > n - at || pad(at + note.n_namesz, align) > n)
            return false;
        at = pad(at + note.n_namesz, align);
        if (note.n_descsz > n - at)
            return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0) {
            if (note.n_descsz == 0 || note.n_descsz > MODULE_MAX_BUILD_ID)
                return false;
            memcpy(m->build_id, notes + at, note.n_descsz);
            m->build_id_len = note.n_descsz;
            return true;
        }
        at = pad(at + note.n_descsz, align);
        if (at > n)
            return false;
    }
    return false;
}

static void read_build_id(struct module *m, uint64_t bias, const ElfW(Phdr) * phdrs, size_t n)
{
    for (size_t i = 0; i < n && !m->build_id_len; i++) {
        const ElfW(Phdr) *p = &phdrs[i];
        if (p->p_type != PT_NOTE || p->p_filesz > MAX_NOTE_BYTES)
            continue;
        char *notes = malloc(p->p_filesz + 1);
        if (notes && m->process->read(m->process->self, bias + p->p_vaddr, notes, p->p_filesz))
            find_build_id(m, notes, p->p_filesz, p->p_align == 8 ? 8 : 4);
        free(notes);
    }
}

/* Is the segment where the image would have it? A file that is only being read also starts with an ELF
 * header in memory. Anonymous memory passes: some programs move their code to huge pages. */
static bool is_mapped_as_code(const struct mappings *maps, size_t first, uint64_t address, uint64_t offset)
{
    const struct mapping *head = &maps->at[first];
    size_t i = first;
    while (i < maps->n && maps->at[i].end <= address)
        i++;
    if (i == maps->n || maps->at[i].start > address || !maps->at[i].runs)
        return false;
    const struct mapping *code = &maps->at[i];
    if (code->inode == 0)
        return true;
    return code->inode == head->inode && code->major == head->major && code->minor == head->minor &&
           code->offset + (address - code->start) == offset;
}

/* The ELF header and the program headers, one behind the other. */
static bool read_head(struct module *m, const struct mapping *at)
{
    ElfW(Ehdr) e;
    if (at->end - at->start < sizeof e || !m->process->read(m->process->self, at->start, &e, sizeof e))
        return false;
    if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != NATIVE_CLASS ||
        (e.e_type != ET_EXEC && e.e_type != ET_DYN) || e.e_phentsize != sizeof(ElfW(Phdr)) || e.e_phnum == 0 ||
        e.e_phnum > MAX_PHDRS)
        return false;
    size_t phdrs_len = e.e_phnum * sizeof(ElfW(Phdr));
    uint64_t room = at->end - at->start;
    if (e.e_phoff > room || phdrs_len > room - e.e_phoff)
        return false;
    m->head = malloc(sizeof e + phdrs_len);
    if (!m->head)
        return false;
    memcpy(m->head, &e, sizeof e);
    m->head_len = sizeof e + phdrs_len;
    m->phdrs_at = e.e_phoff;
    return m->process->read(m->process->self, at->start + e.e_phoff, (char *)m->head + sizeof e, phdrs_len);
}

/* Fills range and identity; false when this is no image the loader made. */
static bool describe(struct module *m, const struct mappings *maps, size_t first)
{
    const struct mapping *at = &maps->at[first];
    bool vdso = strcmp(at->path, "[vdso]") == 0;
    const ElfW(Phdr) *phdrs = (const void *)((const char *)m->head + sizeof(ElfW(Ehdr)));
    size_t n = (m->head_len - sizeof(ElfW(Ehdr))) / sizeof *phdrs;
    uint64_t low = UINT64_MAX, high = 0;
    const ElfW(Phdr) *first_load = NULL, *code = NULL;
    for (size_t i = 0; i < n; i++) {
        const ElfW(Phdr) *p = &phdrs[i];
        if (p->p_type != PT_LOAD)
            continue;
        if (!first_load)
            first_load = p;
        if (p->p_vaddr < low)
            low = p->p_vaddr & PAGE_MASK;
        if (p->p_vaddr + p->p_memsz > high)
            high = p->p_vaddr + p->p_memsz;
        if (!code && (p->p_flags & PF_X))
            code = p;
    }
    if (!code || high <= low || high - low > UINT64_MAX - at->start)
        return false;
    uint64_t bias = at->start - low;
    if (!vdso && !is_mapped_as_code(maps, first, bias + (code->p_vaddr & PAGE_MASK), code->p_offset & PAGE_MASK))
        return false;
    m->start = at->start;
    m->dwfl_start = bias + (first_load->p_vaddr & -(uint64_t)first_load->p_align);
    m->end = vdso ? at->end : at->start + (high - low);
    read_build_id(m, bias, phdrs, n);
    return true;
}

static void module_fini(struct module *m)
{
    free(m->path);
    free(m->file);
    free(m->head);
    elffile_drop(&m->image);
}

static enum status add(struct modules *m, const struct module *new)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 32;
        struct module *grown = realloc(m->at, cap * sizeof *grown);
        if (!grown)
            return STATUS_NOMEM;
        m->at = grown;
        m->cap = cap;
    }
    m->at[m->n++] = *new;
    return STATUS_OK;
}

/* Data that is mapped is not looked at, let alone a device: to read may do something there. */
static bool has_code(const struct mappings *maps, size_t i)
{
    const struct mapping *first = &maps->at[i];
    for (; i < maps->n && strcmp(maps->at[i].path, first->path) == 0; i++)
        if (maps->at[i].runs)
            return true;
    return false;
}

static enum status add_if_image(struct modules *m, const struct process *process, const struct mappings *maps, size_t i)
{
    const struct mapping *at = &maps->at[i];
    if (at->offset != 0 || (at->path[0] != '/' && strcmp(at->path, "[vdso]") != 0) || !has_code(maps, i))
        return STATUS_OK;
    if (m->n && at->start < m->at[m->n - 1].end)
        return STATUS_OK; /* a later segment of the module before, which begins on the file's first page too */
    struct module new = {.process = process};
    if (!read_head(&new, at) || !describe(&new, maps, i)) {
        module_fini(&new);
        return STATUS_OK;
    }
    new.path = strdup(at->path);
    enum status status = new.path ? add(m, &new) : STATUS_NOMEM;
    if (status != STATUS_OK)
        module_fini(&new);
    return status;
}

enum status modules_read(struct modules *m, const struct process *process, struct reason *why)
{
    *m = (struct modules){0};
    struct mappings maps;
    enum status status = mappings_read(&maps, process, why);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < maps.n && status == STATUS_OK; i++)
        status = add_if_image(m, process, &maps, i);
    mappings_fini(&maps);
    if (status != STATUS_OK)
        modules_fini(m);
    return status;
}

void modules_fini(struct modules *m)
{
    for (size_t i = 0; i < m->n; i++)
        module_fini(&m->at[i]);
    free(m->at);
    *m = (struct modules){0};
}

struct module *modules_find(const struct modules *m, uint64_t address)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->at[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n && m->at[low].start <= address ? &m->at[low] : NULL;
}

/* Without a build id: the file that has its name now, unchanged since. */
static bool identify_file(const struct module *m, struct known_id *id)
{
    struct stat st;
    if (m->path[0] != '/' || stat(m->path, &st) != 0)
        return false;
    const uint64_t facts[] = {(uint64_t)st.st_dev,          (uint64_t)st.st_ino,
                              (uint64_t)st.st_size,         (uint64_t)st.st_mtim.tv_sec,
                              (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                              (uint64_t)st.st_ctim.tv_nsec, hash_bytes(hash_seed(), m->path, strlen(m->path))};
    static_assert(sizeof facts <= KNOWN_MAX_ID, "they are an identity");
    memcpy(id->bytes, facts, sizeof facts);
    return true; /* with len 0, unlike any build id */
}

/* With its headers, since some build with an id of their own choice, the same for each version. */
bool module_identify(const struct module *m, struct known_id *id)
{
    static_assert(MODULE_MAX_BUILD_ID <= KNOWN_MAX_ID, "a build id is an identity");
    *id = (struct known_id){.len = m->build_id_len, .head = hash_bytes(hash_seed(), m->head, m->head_len)};
    memcpy(id->bytes, m->build_id, m->build_id_len);
    return m->build_id_len || identify_file(m, id);
}

int module_open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

bool module_copies(const struct module *m)
{
    return m->process == &process_self;
}

bool module_has_build_id(Elf *elf, const void *id, size_t len)
{
    const void *bits;
    ssize_t n = dwelf_elf_gnu_build_id(elf, &bits);
    return n > 0 && (size_t)n == len && memcmp(bits, id, len) == 0;
}

static bool same_head(const struct module *m, int fd)
{
    char *head = malloc(m->head_len);
    size_t phdrs_len = m->head_len - sizeof(ElfW(Ehdr));
    bool same = head && pread(fd, head, sizeof(ElfW(Ehdr)), 0) == (ssize_t)sizeof(ElfW(Ehdr)) &&
                pread(fd, head + sizeof(ElfW(Ehdr)), phdrs_len, (off_t)m->phdrs_at) == (ssize_t)phdrs_len &&
                memcmp(head, m->head, m->head_len) == 0;
    free(head);
    return same;
}

static Elf *begin_elf(struct module *m, int fd)
{
    switch (module_copies(m) ? elffile_copy(fd, &m->image) : ELFFILE_TOO_LARGE) {
    case ELFFILE_COPIED: return elf_memory(m->image.at, m->image.bytes);
    case ELFFILE_TOO_LARGE: return elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
    default: return NULL;
    }
}

static Elf *open_same(struct module *m, const char *path, int *fd)
{
    *fd = module_open_file(path);
    if (*fd < 0)
        return NULL;
    Elf *elf = begin_elf(m, *fd);
    bool same = elf && elf_kind(elf) == ELF_K_ELF &&
                (m->build_id_len ? module_has_build_id(elf, m->build_id, m->build_id_len) : same_head(m, *fd));
    if (!same) {
        elf_end(elf);
        elffile_drop(&m->image);
    }
    if (!same || m->image.at) {
        close(*fd);
        *fd = -1;
    }
    m->copied = m->image.copied;
    return same ? elf : NULL;
}

static bool is_main_program(const struct module *m)
{
    char exe[PATH_MAX];
    ssize_t n = readlink(m->process->program_link, exe, sizeof exe - 1);
    if (n < 0)
        return false;
    exe[n] = '\0';
    return strcmp(exe, m->path) == 0;
}

static Elf *open_vdso(struct module *m)
{
    size_t n = m->end - m->start;
    if (n > MAX_VDSO_BYTES || m->image.at || !elffile_make(&m->image, n))
        return NULL;
    return m->process->read(m->process->self, m->start, m->image.at, n) ? elf_memory(m->image.at, n) : NULL;
}

/* The kernel's link to the running program leads to the very file, even when it was replaced. */
Elf *module_open(struct module *m, int *fd)
{
    static const char deleted[] = " (deleted)";
    *fd = -1;
    if (m->path[0] != '/')
        return open_vdso(m);
    free(m->file);
    m->file = strdup(m->path);
    if (!m->file)
        return NULL;
    Elf *elf = is_main_program(m) ? open_same(m, m->process->program_link, fd) : NULL;
    if (!elf)
        elf = open_same(m, m->file, fd);
    size_t len = strlen(m->file), tail = sizeof deleted - 1;
    if (len > tail && strcmp(m->file + len - tail, deleted) == 0) {
        if (!elf || access(m->file, F_OK) != 0)
            m->file[len - tail] = '\0';
        if (!elf)
            elf = open_same(m, m->file, fd);
    }
    return elf;
}
