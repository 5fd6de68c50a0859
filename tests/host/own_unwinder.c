/* A host with an unwinder of its own under the well-known names, as language runtimes have: it counts its calls. */
#include <stdatomic.h>

#include "host.h"

static _Atomic int raised, walked;

int _Unwind_RaiseException(void *exception);
int _Unwind_Backtrace(int (*step)(void *, void *), void *arg);
void _Unwind_Resume(void *exception);

int _Unwind_RaiseException(void *exception)
{
    raised++;
    return exception != NULL;
}

int _Unwind_Backtrace(int (*step)(void *, void *), void *arg)
{
    walked++;
    return step != NULL && arg != NULL;
}

void _Unwind_Resume(void *exception)
{
    (void)exception;
    raised++;
}

static void only_the_host_unwinds(void)
{
    host_sample();
    for (int i = 0; i < 100; i++) {
        _Unwind_RaiseException(NULL);
        _Unwind_Backtrace(NULL, NULL);
        host_burn(0.001);
    }
    host_stop();
    printf("raised %d times, walked %d times\n", raised, walked);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"own", only_the_host_unwinds},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
