/*
 * A main for fuzz targets under compilers without libFuzzer:
 *
 *     fuzz_x [-runs=N] [-seed=S] [-crash=FILE] FILE|DIRECTORY...
 *
 * Replays every file, then runs N mutations of them, the same ones for the same seed. The input of the
 * moment is kept in FILE when asked for, so that a crash leaves it behind.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_INPUTS 4096
#define MAX_BYTES  ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct input {
    uint8_t *bytes;
    size_t n;
};

static struct input inputs[MAX_INPUTS];
static size_t n_inputs;
static const char *crash_file;

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t random_below(uint64_t *state, size_t n)
{
    return n ? random_next(state) % n : 0;
}

static void keep_input(const uint8_t *bytes, size_t n)
{
    FILE *file = crash_file ? fopen(crash_file, "wb") : NULL;
    if (!file)
        return;
    fwrite(bytes, 1, n, file);
    fclose(file);
}

/* From a block of exactly n bytes, so that ASan sees a read past the end. */
static void run_one(const uint8_t *bytes, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        return;
    memcpy(exact, bytes, n);
    keep_input(exact, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(MAX_BYTES);
    if (!file || !bytes || n_inputs == MAX_INPUTS) {
        fprintf(stderr, "cannot load %s\n", path);
        exit(2);
    }
    size_t n = fread(bytes, 1, MAX_BYTES, file);
    fclose(file);
    inputs[n_inputs++] = (struct input){.bytes = bytes, .n = n};
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        load_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, compare_names);
    for (int i = 0; i < n; i++) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            load_file(inside);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static void flip(struct input *in, uint64_t *state)
{
    if (in->n)
        in->bytes[random_below(state, in->n)] ^= (uint8_t)(1u << random_below(state, 8));
}

static void overwrite(struct input *in, uint64_t *state)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32};
    if (in->n)
        in->bytes[random_below(state, in->n)] = telling[random_below(state, sizeof telling)];
}

static void truncate_at(struct input *in, uint64_t *state)
{
    in->n = random_below(state, in->n + 1);
}

/* A length or number becomes a neighbour, so that what follows shifts by a byte. */
static void nudge(struct input *in, uint64_t *state)
{
    if (in->n) {
        size_t at = random_below(state, in->n);
        in->bytes[at] = (uint8_t)(in->bytes[at] + (random_next(state) & 1 ? 1 : -1));
    }
}

static void remove_run(struct input *in, uint64_t *state)
{
    size_t from = random_below(state, in->n + 1), n = random_below(state, in->n - from + 1);
    memmove(in->bytes + from, in->bytes + from + n, in->n - from - n);
    in->n -= n;
}

/* A run of another input goes in at any place. */
static void splice(struct input *in, uint64_t *state)
{
    const struct input *other = &inputs[random_below(state, n_inputs)];
    size_t from = random_below(state, other->n + 1), n = random_below(state, other->n - from + 1);
    size_t at = random_below(state, in->n + 1);
    if (in->n + n > MAX_BYTES)
        return;
    memmove(in->bytes + at + n, in->bytes + at, in->n - at);
    memcpy(in->bytes + at, other->bytes + from, n);
    in->n += n;
}

static void mutate(struct input *in, uint64_t *state)
{
    static void (*const ways[])(struct input *, uint64_t *) = {flip, overwrite, nudge, truncate_at, remove_run, splice};
    size_t rounds = 1 + random_below(state, 4);
    for (size_t i = 0; i < rounds; i++)
        ways[random_below(state, sizeof ways / sizeof ways[0])](in, state);
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-crash=", 7) == 0)
            crash_file = argv[i] + 7;
        else
            load(argv[i]);
    }
    for (size_t i = 0; i < n_inputs; i++)
        run_one(inputs[i].bytes, inputs[i].n);

    struct input work = {.bytes = malloc(MAX_BYTES)};
    for (uint64_t run = 0; run < runs && n_inputs && work.bytes; run++) {
        const struct input *from = &inputs[random_below(&seed, n_inputs)];
        memcpy(work.bytes, from->bytes, from->n);
        work.n = from->n;
        mutate(&work, &seed);
        run_one(work.bytes, work.n);
    }
    free(work.bytes);
    printf("%zu inputs replayed, %llu mutations run\n", n_inputs, (unsigned long long)(n_inputs ? runs : 0));
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].bytes);
    return 0;
}
