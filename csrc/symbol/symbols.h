/*
 * Names, files, lines and inlined frames of addresses in a process, by libdw; what was found is kept for later
 * sessions (symbol/known). Code that was made at run time has the names that its maker wrote down (symbol/perfmap).
 * Ordinary threads only; opening and asking read ELF files and allocate. Never touches the network: debuginfod is not
 * asked.
 */
#ifndef CPROF_SYMBOL_SYMBOLS_H
#define CPROF_SYMBOL_SYMBOLS_H

#include "base/status.h"
#include "profile/namer.h"
#include "profile/process.h"

struct symbols;

/* A session over the modules mapped in process, which must outlive it. Sessions are independent; each is used by one
 * thread at a time. */
enum status symbols_open(struct symbols **out, const struct process *process, struct reason *why);
void symbols_close(struct symbols *s);

/* What a session keeps open of the files it reads, in bytes of memory, roughly, when it goes on to the next address: a
 * unit of C++ takes a megabyte. Whoever asks by rising address loses next to nothing by it. Tests lower it. */
extern size_t symbols_open_bytes;

/* The same session as collect wants it. */
struct namer symbols_namer(struct symbols *s);

#endif
