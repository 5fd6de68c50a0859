/*
 * Names for the stubs through which a module calls others. No symbol covers them; each is recognised by its
 * jump, which goes through a slot that a relocation names. x86-64 only; elsewhere stubs stay nameless.
 */
#ifndef CPROF_SYMBOL_PLT_H
#define CPROF_SYMBOL_PLT_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLT_MAX_NAME     1024 /* bytes, with "@plt" and NUL; longer ones are cut */
#define PLT_MAX_SECTIONS 3    /* .plt, .plt.got, .plt.sec */

struct plt_section {
    const unsigned char *code;
    uint64_t start, len; /* addresses as in the file */
    uint64_t stub_bytes;
};

struct plt_slot {
    uint64_t at;
    const char *name; /* the file's own bytes */
};

/* Zeroed is empty and valid. */
struct plt {
    uint64_t bias; /* address in memory minus address in the file */
    struct plt_section section[PLT_MAX_SECTIONS];
    size_t n_sections;
    struct plt_slot *slots; /* by address */
    size_t n, cap;
};

/* What can be read; elf must outlive p. */
void plt_init(struct plt *p, Elf *elf, uint64_t bias);
void plt_fini(struct plt *p);

/* "name@plt" when address lies in a stub. */
bool plt_find(const struct plt *p, uint64_t address, char out[PLT_MAX_NAME]);

#endif
