/* A plugin of which the loader fills many places that are read-only afterwards, ones that cprof takes among them. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TEN(do, n)                                                                                                     \
    do                                                                                                                 \
    (n##0) do(n##1) do(n##2) do(n##3) do(n##4) do(n##5) do(n##6) do(n##7) do(n##8) do(n##9)
#define HUNDRED(do, n)                                                                                                 \
    TEN(do, n##0)                                                                                                      \
    TEN(do, n##1)                                                                                                      \
    TEN(do, n##2) TEN(do, n##3) TEN(do, n##4) TEN(do, n##5) TEN(do, n##6) TEN(do, n##7) TEN(do, n##8) TEN(do, n##9)
#define ALL(do) HUNDRED(do, 0) HUNDRED(do, 1) HUNDRED(do, 2) HUNDRED(do, 3) HUNDRED(do, 4) HUNDRED(do, 5)

typedef void function(void);

/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define DEFINE(n)                                                                                                      \
    void plugin_table_##n(void)                                                                                        \
    {                                                                                                                  \
    }
#define ENTRY(n) plugin_table_##n,
#define TAKEN    (function *)sigaction, (function *)prctl, (function *)signal,
/* NOLINTEND(bugprone-macro-parentheses) */

function ALL(ENTRY) plugin_table_end;
ALL(DEFINE)

function *const plugin_table[] = {TAKEN ALL(ENTRY) TAKEN ALL(ENTRY) TAKEN ALL(ENTRY) TAKEN ALL(ENTRY) TAKEN};
