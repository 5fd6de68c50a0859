/*
 * A perf map of a runtime that writes whatever it likes. The first two bytes choose addresses that are asked beside the
 * borders of what was read. Violations abort.
 */
#include "symbol/perfmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* Whoever covers an address by the table has a name for it, and nobody else. */
static void ask(const struct perfmap *p, uint64_t address)
{
    char name[PERFMAP_MAX_NAME];
    bool covered = false;
    for (size_t i = 0; i < p->n; i++)
        covered |= address - p->codes[i].start < p->codes[i].size;
    demand(perfmap_find(p, address, name) == covered);
    demand(!covered || memchr(name, '\0', sizeof name));
    demand(!covered || !strchr(name, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct perfmap p;
    int fd = memfd_create("map", MFD_CLOEXEC);
    if (n < 2 || fd < 0 || write(fd, bytes + 2, n - 2) != (ssize_t)(n - 2)) {
        close(fd);
        return 0;
    }
    perfmap_read(&p, fd);
    for (size_t i = 0; i < p.n && i < 32; i++) {
        demand(i == 0 || p.codes[i - 1].start <= p.codes[i].start);
        ask(&p, p.codes[i].start);
        ask(&p, p.codes[i].start - 1);
        ask(&p, p.codes[i].start + p.codes[i].size);
        ask(&p, p.codes[i].start + (bytes[0] | (uint64_t)bytes[1] << 8));
    }
    ask(&p, 0);
    ask(&p, UINT64_MAX);
    perfmap_close(&p);
    return 0;
}
