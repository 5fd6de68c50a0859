#include "symbol/sidefile.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *sidefile_folder(int fd)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    char *path = realpath(link, NULL);
    if (path)
        strrchr(path, '/')[1] = '\0';
    return path;
}

void sidefiles_fini(struct sidefiles *s)
{
    free(s->folder);
    *s = (struct sidefiles){0};
}

enum place { NOTHING, REGULAR, FORBIDDEN };

/* As libdw joins them: dir may be NULL, or relative to the folder. */
static enum place look(const struct sidefiles *s, const char *dir, const char *name)
{
    bool is_absolute = name[0] == '/' || (dir && dir[0] == '/');
    char *path;
    struct stat st;
    if (!s->is_known)
        return FORBIDDEN;
    if (!is_absolute && !s->folder)
        return NOTHING;
    if (asprintf(&path, "%s%s%s%s", is_absolute ? "" : s->folder, name[0] == '/' || !dir ? "" : dir,
                 name[0] == '/' || !dir ? "" : "/", name) < 0)
        return FORBIDDEN;
    enum place place = stat(path, &st) != 0 ? NOTHING : S_ISREG(st.st_mode) ? REGULAR : FORBIDDEN;
    free(path);
    return place;
}

static const char *text_of(Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute attr;
    return dwarf_formstring(dwarf_attr(die, attribute, &attr));
}

/* libdw tries one place after the other. */
static bool is_openable(const struct sidefiles *s, Dwarf_Die *skeleton)
{
    const char *dir = text_of(skeleton, DW_AT_comp_dir), *name = text_of(skeleton, DW_AT_dwo_name);
    if (!name)
        name = text_of(skeleton, DW_AT_GNU_dwo_name);
    if (!dir || !name)
        return false;
    enum place first = look(s, NULL, name), second = look(s, dir, name);
    return first != FORBIDDEN && second != FORBIDDEN && (first == REGULAR || second == REGULAR);
}

static bool has_shared(Dwarf *dw)
{
    const char *name;
    const void *id;
    return dwelf_dwarf_gnu_debugaltlink(dw, &name, &id) > 0;
}

bool sidefile_body(const struct sidefiles *s, Dwarf_Die *skeleton, Dwarf_Die *body)
{
    uint8_t type;
    Dwarf_Die other;
    if (dwarf_cu_info(skeleton->cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) != 0 || type != DW_UT_skeleton ||
        !is_openable(s, skeleton) || dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, &other, NULL, NULL, NULL) != 0 ||
        !other.addr || has_shared(dwarf_cu_getdwarf(other.cu)))
        return false;
    *body = other;
    return true;
}

bool sidefile_go_without_shared(const struct sidefiles *s, Dwarf *dw)
{
    const char *name;
    const void *id;
    if (dwelf_dwarf_gnu_debugaltlink(dw, &name, &id) <= 0)
        return true;
    return look(s, NULL, name) == NOTHING && !dwarf_getalt(dw);
}
