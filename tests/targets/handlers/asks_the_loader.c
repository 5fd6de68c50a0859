/* What the handler must not do, linked around it: it walks the loader's list, as libunwind does for a frame that it has
 * not seen before. */
#include <link.h>

#include "sig/cwalk.h"

void __real_cwalk(struct regs regs, struct record *record);
void __wrap_cwalk(struct regs regs, struct record *record);

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info, (void)size, (void)arg;
    return 0;
}

void __wrap_cwalk(struct regs regs, struct record *record)
{
    dl_iterate_phdr(look, NULL);
    __real_cwalk(regs, record);
}
