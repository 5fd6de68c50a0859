/* Files of /proc that fit into a buffer. Ordinary threads; one descriptor, during the call. */
#ifndef CPROF_BASE_SMALLFILE_H
#define CPROF_BASE_SMALLFILE_H

#include <stdbool.h>
#include <stddef.h>

/* What stands in the file, up to room - 1 bytes, and a NUL. False where there is nothing to be read. */
bool smallfile_read(const char *path, char *text, size_t room);

#endif
