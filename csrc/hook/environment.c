#include "hook/environment.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const *kept_strings;
static const char *stub_path;
static unsigned generation_now;

#define GENERATION_ROOM (sizeof ENVIRONMENT_GENERATION + 21)

void environment_keep(const char *const *kept, const char *stub, unsigned generation)
{
    kept_strings = kept;
    generation_now = generation;
    stub_path = stub;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

struct environment_plan environment_plan(char *const envp[], enum environment_use use)
{
    struct environment_plan plan = {.preload = "", .use = use};
    for (; envp && envp[plan.entries]; plan.entries++)
        if (begins(envp[plan.entries], ENVIRONMENT_PRELOAD))
            plan.preload = envp[plan.entries] + strlen(ENVIRONMENT_PRELOAD);
    plan.entries += ENVIRONMENT_KEPT_MAX + 3; /* preload, generation, NULL */
    plan.bytes = plan.entries * sizeof(char *) + GENERATION_ROOM + sizeof ENVIRONMENT_PRELOAD + strlen(stub_path) + 1 +
                 strlen(plan.preload) + 1;
    return plan;
}

static bool lists(const char *list, const char *path)
{
    size_t n = strlen(path);
    for (const char *at = strstr(list, path); at; at = strstr(at + 1, path))
        if ((at == list || strchr(": ", at[-1])) && (!at[n] || strchr(": ", at[n])))
            return true;
    return false;
}

static char *append(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n + 1);
    return to + n;
}

static char *append_number(char *to, unsigned value)
{
    char digits[12];
    size_t n = sizeof digits;
    digits[--n] = '\0';
    do
        digits[--n] = (char)('0' + value % 10);
    while (value /= 10);
    return append(to, digits + n);
}

bool environment_is_anothers(char *const envp[])
{
    for (size_t i = 0; envp && envp[i]; i++) {
        bool known = !begins(envp[i], ENVIRONMENT_PREFIX) || begins(envp[i], ENVIRONMENT_GENERATION);
        for (size_t k = 0; kept_strings[k] && !known; k++)
            known = strcmp(kept_strings[k], envp[i]) == 0;
        if (!known)
            return true;
    }
    return false;
}

/* Ours first, then what was there. */
static void put_preload(char *text, const char *given)
{
    text = append(text, ENVIRONMENT_PRELOAD);
    if (!lists(given, stub_path)) {
        text = append(text, stub_path);
        if (given[0])
            text = append(text, ":");
    }
    append(text, given);
}

/* What was there without ours; false where nothing is left. */
static bool put_others(char *text, const char *given)
{
    text = append(text, ENVIRONMENT_PRELOAD);
    append(text, given);
    while (environment_drop_library(text, stub_path))
        ;
    return *text != '\0';
}

char **environment_fill(const struct environment_plan *plan, char *const envp[], void *room)
{
    char **out = room;
    char *text = (char *)(out + plan->entries);
    size_t n = 0;
    for (size_t i = 0; envp && envp[i]; i++)
        if (!begins(envp[i], ENVIRONMENT_PRELOAD) && !begins(envp[i], ENVIRONMENT_PREFIX))
            out[n++] = envp[i];
    if (plan->use == ENVIRONMENT_NONE) {
        if (put_others(text, plan->preload))
            out[n++] = text;
        out[n] = NULL;
        return out;
    }
    bool again = plan->use == ENVIRONMENT_AGAIN;
    for (size_t i = 0; kept_strings[i]; i++)
        out[n++] = (char *)(unsigned long)kept_strings[i];
    out[n++] = text;
    text = append_number(append(text, ENVIRONMENT_GENERATION), again ? generation_now + 1 : 0);
    text = append_number(append(text, ":"), again ? (unsigned)getpid() : 0) + 1;
    out[n++] = text;
    put_preload(text, plan->preload);
    out[n] = NULL;
    return out;
}

bool environment_drop_library(char *list, const char *path)
{
    size_t n = strlen(path);
    for (char *at = strstr(list, path); at; at = strstr(at + 1, path)) {
        if ((at != list && !strchr(": ", at[-1])) || (at[n] && !strchr(": ", at[n])))
            continue;
        if (at[n])
            memmove(at, at + n + 1, strlen(at + n + 1) + 1);
        else
            at[at == list ? 0 : -1] = '\0';
        return true;
    }
    return false;
}
