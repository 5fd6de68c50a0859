/* Hosts that know better than the loader: one answers dl_iterate_phdr from a copy, so that throwing takes no lock, and
 * the copy is old; one replaces a library's file while it is loaded. */
#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include "host.h"

#define LISTED_MAX 64

typedef int visitor(struct dl_phdr_info *info, size_t size, void *arg);

static struct dl_phdr_info listed[LISTED_MAX];
static int n_listed;

static int list(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (n_listed < LISTED_MAX)
        listed[n_listed++] = *info;
    return 0;
}

static int ask_loader(visitor *visit, void *arg)
{
    int (*behind)(visitor *, void *) = (int (*)(visitor *, void *))dlsym(RTLD_NEXT, "dl_iterate_phdr");
    return behind(visit, arg);
}

int dl_iterate_phdr(visitor *visit, void *arg)
{
    int stop = 0;
    if (!n_listed)
        return ask_loader(visit, arg);
    for (int i = 0; i < n_listed && !stop; i++)
        stop = visit(&listed[i], sizeof listed[i], arg);
    return stop;
}

static void lists_what_has_gone(void)
{
    void *plugin = dlopen(host_arguments[0], RTLD_NOW | RTLD_LOCAL);
    ask_loader(list, NULL);
    printf("opened and closed: %d\n", plugin && dlclose(plugin) == 0);
    host_sample();
    host_burn(0.1);
    host_stop();
    printf("alive\n");
    fflush(stdout);
    _exit(0);
}

static void copy_file(const char *from, const char *to)
{
    char command[9000];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    if (system(command) != 0)
        printf("cannot copy\n");
}

/* Of what it has not touched nothing is there any more. It ends without the loader's destructors, which would. */
static void library_is_cut_off(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/libcut.so", host_scratch);
    copy_file(host_arguments[0], path);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    printf("opened and cut off: %d\n", plugin && truncate(path, 0) == 0);
    host_sample();
    host_burn(0.1);
    host_stop();
    printf("alive\n");
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {{"gone", lists_what_has_gone}, {"cut_off", library_is_cut_off}, {NULL, NULL}};
    return host_main(argc, argv, cases);
}
