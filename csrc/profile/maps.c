#include "profile/maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETED " (deleted)"

/* "7f2c-7f3d r-xp 00001000 fe:00 1234   /path with blanks\n" */
static bool parse_line(char *line, struct map *m)
{
    char perms[8];
    uint64_t inode;
    int path_at = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64 " %n", &m->start, &m->limit, perms,
               &m->offset, &inode, &path_at) < 5 ||
        !path_at || perms[2] != 'x')
        return false;
    char *path = line + path_at;
    path[strcspn(path, "\n")] = '\0';
    size_t n = strlen(path), cut = strlen(DELETED);
    if (n > cut && strcmp(path + n - cut, DELETED) == 0)
        path[n - cut] = '\0';
    m->is_anonymous = !path[0] && inode == 0;
    m->path = m->is_anonymous ? MAPS_JIT : path;
    return true;
}

static enum status append(struct maps *maps, const struct map *m)
{
    if (maps->n == maps->cap) {
        size_t cap = maps->cap ? maps->cap * 2 : 64;
        struct map *grown = realloc(maps->at, cap * sizeof *grown);
        if (!grown)
            return STATUS_NOMEM;
        maps->at = grown;
        maps->cap = cap;
    }
    maps->at[maps->n] = *m;
    maps->at[maps->n].path = strdup(m->path);
    return maps->at[maps->n++].path ? STATUS_OK : STATUS_NOMEM;
}

enum status maps_read(const struct process *process, struct maps *maps, struct reason *why)
{
    enum status status = STATUS_OK;
    char *line = NULL;
    size_t room = 0;
    *maps = (struct maps){0};
    FILE *f = process->open_maps(process->self);
    if (!f)
        return status_because(why, STATUS_SYSTEM, "cannot read what is mapped: %s", strerror(errno));
    while (!status && getline(&line, &room, f) > 0) {
        struct map m;
        if (parse_line(line, &m))
            status = append(maps, &m);
    }
    free(line);
    fclose(f);
    if (status)
        maps_fini(maps);
    return status;
}

void maps_fini(struct maps *maps)
{
    for (size_t i = 0; i < maps->n; i++)
        free(maps->at[i].path);
    free(maps->at);
    *maps = (struct maps){0};
}

bool maps_is_vacated(const struct maps *maps, uint64_t address)
{
    for (uint32_t i = 0; maps->vacated && i < maps->vacated->n; i++)
        if (address >= maps->vacated->at[i].low && address < maps->vacated->at[i].high)
            return true;
    return false;
}

const struct map *maps_find(const struct maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address >= maps->at[middle].limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low < maps->n && address >= maps->at[low].start ? &maps->at[low] : NULL;
}
