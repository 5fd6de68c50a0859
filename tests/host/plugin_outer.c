/* A plugin that has a plugin of its own, in a folder that only its RUNPATH knows. */
#include <dlfcn.h>
#include <stddef.h>

const char *plugin_says(void);
const char *plugin_inner_says(void);

const char *plugin_says(void)
{
    return "outer";
}

const char *plugin_inner_says(void)
{
    void *inner = dlopen("libhost_inner.so", RTLD_NOW | RTLD_LOCAL);
    const char *(*says)(void) = inner ? (const char *(*)(void))dlsym(inner, "plugin_says") : NULL;
    return says ? says() : dlerror();
}
