#include "base/filter.h"

#include "base/smallfile.h"

#include <string.h>

#define FIELD "\nSeccomp:\t"

bool filter_here(void)
{
    char text[4096];
    const char *at = smallfile_read("/proc/thread-self/status", text, sizeof text) ? strstr(text, FIELD) : NULL;
    return !at || at[strlen(FIELD)] != '0';
}
