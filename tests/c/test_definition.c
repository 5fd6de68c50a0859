/* The walk along the loader's list must find what dlsym finds: another definition is another libc function.
 * (Not so for the few names that the kernel's own library has too, of which none is wanted.) */
#include "base/definition.h"
#include "check.h"
#include "hook/next.h"

#include <dlfcn.h>
#include <stdlib.h>

#define NAME(result, name, arguments) #name,
static const char *const names[] = {
    HOOK_FUNCTIONS(NAME) "malloc",
    "free",
    "memcpy",
    "strlen",
    "pthread_create",
    "sem_post",
    "fopen",
    "regexec",
    "timer_create",
    "dlopen",
    "cos",
    "sin",
    "pthread_cond_wait",
    "realpath",
    "posix_spawn",
    "quick_exit",
    "__libc_malloc",
    "environ_no",
    "no_such_function",
    "",
    "__tls_get_addr",
};

/* The program's own wins, as for every caller. */
__attribute__((visibility("default"))) int sigignore(int sig)
{
    return sig;
}

int main(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *mine = definition_of(names[i], NULL), *theirs = dlsym(RTLD_DEFAULT, names[i]);
        if (mine != theirs)
            fprintf(stderr, "%s:\n", names[i]);
        CHECK(mine == theirs);
        void *next = definition_of(names[i], _DYNAMIC);
        theirs = dlsym(RTLD_NEXT, names[i]);
        if (next != theirs)
            fprintf(stderr, "%s, behind the program:\n", names[i]);
        CHECK(next == theirs);
    }
    CHECK(definition_of("no_such_function", NULL) == NULL);
    return check_done();
}
