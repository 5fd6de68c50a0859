/* Plain-C tests: CHECK(cond) says where and what; main ends with `return check_done();`. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int check_failures, check_count;

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        check_count++;                                                                                                 \
        if (!(cond)) {                                                                                                 \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                                 \
        }                                                                                                              \
    } while (0)

#define CHECK_INT(got, want)                                                                                           \
    do {                                                                                                               \
        long long check_got = (long long)(got), check_want = (long long)(want);                                        \
        check_count++;                                                                                                 \
        if (check_got != check_want) {                                                                                 \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, check_got, check_want);        \
        }                                                                                                              \
    } while (0)

#define CHECK_STR(got, want)                                                                                           \
    do {                                                                                                               \
        const char *check_got = (got), *check_want = (want);                                                           \
        check_count++;                                                                                                 \
        if (strcmp(check_got, check_want) != 0) {                                                                      \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s is \"%s\", want \"%s\"\n", __FILE__, __LINE__, #got, check_got, check_want);    \
        }                                                                                                              \
    } while (0)

static int check_done(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0;
}

#endif
