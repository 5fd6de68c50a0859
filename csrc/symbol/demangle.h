/* Names of C++ and Rust functions as their programmers wrote them. No state. A name may be made to take for ever: what
 * it takes is bounded, whatever it is. */
#ifndef CPROF_SYMBOL_DEMANGLE_H
#define CPROF_SYMBOL_DEMANGLE_H

#include <stdbool.h>

#define DEMANGLE_MAX 4096 /* bytes of a name with its NUL; a longer one ends in "..." */

/* With parameters, without the return type of templates or Rust's hash. False: not a mangled name, or one
 * whose mangled form is beyond DEMANGLE_MAX_MANGLED, or could take too long; out then holds nothing. */
bool demangle(const char *mangled, char out[DEMANGLE_MAX]);

/* libiberty's own limit for a bounded stack: 2,048 components of at most half a byte each. Longer names
 * would need up to a kilobyte of stack per character, on a thread whose size is the host's choice. */
#define DEMANGLE_MAX_MANGLED 1024

#endif
