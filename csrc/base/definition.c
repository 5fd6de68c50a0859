#include "base/definition.h"

#include "base/any/readable.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HIDDEN_VERSION 0x8000 /* an older one that is only there for programs linked against it */

struct table {
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const ElfW(Half) * versions;
};

/* The loader writes addresses into the dynamic section where it can; the vdso's stays as it was linked. */
static const void *address_in(const struct link_map *map, ElfW(Addr) value)
{
    return (const void *)(value < map->l_addr ? map->l_addr + value : value);
}

static struct table read_table(const struct link_map *map)
{
    struct table t = {0};
    for (const ElfW(Dyn) *d = map->l_ld; readable(d, sizeof *d) && d->d_tag != DT_NULL; d++) {
        const void *at = address_in(map, d->d_un.d_ptr);
        switch (d->d_tag) {
        case DT_SYMTAB: t.symbols = at; break;
        case DT_STRTAB: t.strings = at; break;
        case DT_GNU_HASH: t.gnu_hash = at; break;
        case DT_VERSYM: t.versions = at; break;
        }
    }
    return t;
}

static uint32_t hash_name(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static bool is_wanted(const struct table *t, uint32_t i, const char *name)
{
    const ElfW(Sym) *s = &t->symbols[i];
    if (!readable(s, sizeof *s) || !readable_text(t->strings + s->st_name) ||
        (t->versions && !readable(&t->versions[i], sizeof *t->versions)))
        return false;
    unsigned type = ELF64_ST_TYPE(s->st_info), binding = ELF64_ST_BIND(s->st_info);
    return s->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_OBJECT) &&
           (binding == STB_GLOBAL || binding == STB_WEAK) && !(t->versions && (t->versions[i] & HIDDEN_VERSION)) &&
           strcmp(t->strings + s->st_name, name) == 0;
}

/* A GNU hash table: buckets, first symbol, filter words, their shift; the filter; the buckets; the hashes, whose lowest
 * bit ends a chain. */
static const ElfW(Sym) * find(const struct table *t, const char *name, uint32_t hash)
{
    if (!t->gnu_hash || !t->symbols || !t->strings || !readable(t->gnu_hash, 4 * sizeof *t->gnu_hash))
        return NULL;
    uint32_t n_buckets = t->gnu_hash[0], first = t->gnu_hash[1], n_filter = t->gnu_hash[2];
    const uint32_t *buckets = t->gnu_hash + 4 + n_filter * (sizeof(ElfW(Addr)) / 4), *hashes = buckets + n_buckets;
    const uint32_t *bucket = n_buckets ? &buckets[hash % n_buckets] : NULL;
    if (!bucket || !readable(bucket, sizeof *bucket) || *bucket < first)
        return NULL;
    for (uint32_t i = *bucket;; i++) {
        if (!readable(&hashes[i - first], sizeof *hashes))
            return NULL;
        uint32_t h = hashes[i - first];
        if ((h | 1) == (hash | 1) && is_wanted(t, i, name))
            return &t->symbols[i];
        if (h & 1)
            return NULL;
    }
}

/* With the module that has it. What is loaded and unloaded meanwhile may be in the list and gone: it is only looked at
 * where nobody before has the name. */
static const ElfW(Sym) * find_from(const struct link_map **map, const char *name)
{
    uint32_t hash = hash_name(name);
    for (; *map && readable(*map, sizeof **map); *map = (*map)->l_next) {
        struct table t = read_table(*map);
        const ElfW(Sym) *s = find(&t, name, hash);
        if (s)
            return s;
    }
    *map = NULL;
    return NULL;
}

static void *address_of(const struct link_map *map, const ElfW(Sym) * s)
{
    if (!map || !s)
        return NULL;
    ElfW(Addr) at = map->l_addr + s->st_value;
    if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
        at = ((ElfW(Addr)(*)(void))at)();
    return (void *)at;
}

void *definition_of(const char *name, const ElfW(Dyn) * behind)
{
    const struct link_map *map = _r_debug.r_map;
    while (behind && map && map->l_ld != behind)
        map = map->l_next;
    if (behind && map)
        map = map->l_next;
    const ElfW(Sym) *s = find_from(&map, name);
    return address_of(map, s);
}

static const struct link_map *module_called(const char *library)
{
    const struct link_map *map = _r_debug.r_map;
    while (map && !strstr(map->l_name, library))
        map = map->l_next;
    return map;
}

void *definition_in(const char *library, const char *name)
{
    const struct link_map *map = module_called(library);
    struct table t = map ? read_table(map) : (struct table){0};
    const ElfW(Sym) *s = find(&t, name, hash_name(name));
    return address_of(map, s);
}

bool definition_is_the_programs(const char *name)
{
    struct table t = read_table(_r_debug.r_map);
    return find(&t, name, hash_name(name)) != NULL;
}

/* What a module wants from others comes before what it has, which is all that the hash table holds. 0: none, or it
 * cannot be told. */
static uint32_t end_of_wanted(const struct table *t)
{
    bool sound = t->gnu_hash && t->symbols && t->strings && readable(t->gnu_hash, 4 * sizeof *t->gnu_hash);
    return sound ? t->gnu_hash[1] : 0;
}

static const char *wanted_at(const struct table *t, uint32_t i)
{
    if (!readable(&t->symbols[i], sizeof *t->symbols) || !readable_text(t->strings + t->symbols[i].st_name))
        return NULL;
    return t->strings + t->symbols[i].st_name;
}

bool definition_is_wanted_by_program(const char *beginning)
{
    struct table t = read_table(_r_debug.r_map);
    const char *name;
    for (uint32_t i = 1, end = end_of_wanted(&t); i < end && (name = wanted_at(&t, i)); i++)
        if (strncmp(name, beginning, strlen(beginning)) == 0)
            return true;
    return false;
}

static bool is_one_of(const struct link_map *map, const char *const owners[])
{
    for (; *owners; owners++)
        if (strstr(map->l_name, *owners))
            return true;
    return false;
}

const char *definition_taken(const char *library, bool (*cares)(const char *name), const char *const owners[])
{
    const struct link_map *map = module_called(library);
    struct table t = map ? read_table(map) : (struct table){0};
    const char *name;
    for (uint32_t i = 1, end = end_of_wanted(&t); i < end && (name = wanted_at(&t, i)); i++) {
        const struct link_map *from = _r_debug.r_map;
        if (cares(name) && find_from(&from, name) && !is_one_of(from, owners))
            return name;
    }
    return NULL;
}
