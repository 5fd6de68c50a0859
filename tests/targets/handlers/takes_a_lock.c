/* What the handler must not do, linked around it: it takes a lock that the interrupted thread may hold, malloc's. */
#include <stdlib.h>

#include "sig/cwalk.h"

void __real_cwalk(struct regs regs, struct record *record);
void __wrap_cwalk(struct regs regs, struct record *record);

void __wrap_cwalk(struct regs regs, struct record *record)
{
    void *volatile block = malloc(3000); /* more than a thread keeps for itself */
    free(block);
    __real_cwalk(regs, record);
}
