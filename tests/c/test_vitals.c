/*
 * encode/vitals and encode/cmdline over the real engine: what is said is what is there.
 */
#include "check.h"

#include "base/slab.h"
#include "encode/cmdline.h"
#include "encode/vitals.h"
#include "sampler/cpu.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct vitals read_now(void)
{
    struct vitals v;
    vitals_read(&v);
    return v;
}

static const char *terminated(struct buf *b)
{
    buf_put(b, "", 1);
    return b->failed ? "" : b->data;
}

static void *wait_for(void *word)
{
    while (!atomic_load((_Atomic int *)word))
        usleep(500);
    return NULL;
}

static void test_the_process(void)
{
    int fds[20];
    pthread_t threads[5];
    _Atomic int done = 1;
    pthread_create(&threads[0], NULL, wait_for, &done); /* ThreadSanitizer has one of its own from the first on */
    pthread_join(threads[0], NULL);
    atomic_store(&done, 0);
    struct vitals before = read_now();
    for (int i = 0; i < 20; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 5; i++)
        pthread_create(&threads[i], NULL, wait_for, &done);
    struct vitals now = read_now();
    CHECK_INT(now.descriptors, before.descriptors + 20);
    CHECK_INT(now.threads, before.threads + 5);
    CHECK_INT(now.threads_ours, 0);
    CHECK(now.rss_bytes > 1 << 20 && now.uptime_seconds >= before.uptime_seconds && now.uptime_seconds < 3600);
    atomic_store(&done, 1);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
}

static void drop(void *self, const struct record *record, const char *thread, uint32_t ticks, uint32_t period_ns)
{
    (void)self, (void)record, (void)thread, (void)ticks, (void)period_ns;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The rate achieved is over what was sampled, not since the start of the process. */
static void test_the_engine(void)
{
    struct cpu_window *w, *slow;
    struct reason why = {0};
    double start = cpu_seconds();
    while (cpu_seconds() < start + 0.5)
        ;
    struct vitals before = read_now();
    CHECK_INT(before.cpu.hz, 0);
    CHECK_INT(before.cpu.set_hz, 100);
    CHECK_INT(before.cpu.asked_hz, 0);
    CHECK(before.cpu_hz_achieved == 0);
    CHECK_INT(cpu_window_open(200, (struct cpu_sink){.put = drop}, &w, &why), 0);
    CHECK_INT(cpu_window_open(50, (struct cpu_sink){.put = drop}, &slow, &why), 0);
    start = cpu_seconds();
    while (cpu_seconds() < start + 1.5)
        ;
    struct vitals now = read_now();
    CHECK_INT(now.cpu.windows, 2);
    CHECK_INT(now.cpu.asked_hz, 200);
    CHECK_INT(now.cpu.hz, 200);
    CHECK_INT(now.threads_ours, 1);
    CHECK(now.cpu_hz_achieved > 100 && now.cpu_hz_achieved < 220);
    CHECK(now.memory_bytes > before.memory_bytes + 1024 * 1024); /* a ring and rows */
    cpu_window_close(w, NULL);
    cpu_window_close(slow, NULL);
    struct vitals after = read_now();
    CHECK_INT(after.cpu.windows, 0);
    CHECK_INT(after.cpu.asked_hz, 0);
    CHECK(after.cpu_hz_achieved > 100 && after.cpu_hz_achieved < 220);
}

static void test_slabs_are_counted(void)
{
    struct slab s = {0};
    uint64_t before = read_now().memory_bytes;
    for (int i = 0; i < 100; i++)
        slab_get(&s, 50000);
    CHECK(read_now().memory_bytes >= before + 5000000);
    slab_fini(&s);
    CHECK_INT(read_now().memory_bytes, before);
}

/* The next word in quotes that has a colon behind it. */
static bool take_key(const char **at, char key[64])
{
    for (const char *p = *at; (p = strchr(p, '"')); p++) {
        size_t n = strcspn(p + 1, "\"");
        if (n < 63 && p[1 + n] && p[2 + n] == ':') {
            memcpy(key, p + 1, n);
            key[n] = '\0';
            *at = p + n + 2;
            return true;
        }
        p += n + 1;
    }
    return false;
}

static void test_keys_are_sorted(void)
{
    struct buf b = {0};
    char last[64] = "", key[64];
    int n = 0;
    vitals_set_version("1.2.3");
    vitals_put_json(&b);
    const char *at = terminated(&b);
    CHECK(*at == '{' && strstr(at, "\"names_taken\": null, ") && strstr(at, "\"version\": \"1.2.3\"}"));
    CHECK(!strchr(at, '\n'));
    for (; take_key(&at, key); n++) {
        CHECK(strcmp(last, key) < 0);
        strcpy(last, key);
    }
    CHECK_INT(n, 30);
    buf_fini(&b);
}

static void test_metrics(void)
{
    struct buf b = {0};
    vitals_put_metrics(&b);
    const char *text = terminated(&b);
    CHECK(strstr(text, "\n# TYPE cprof_cpu_samples counter\n") && strstr(text, "\ncprof_cpu_samples_total "));
    CHECK(strstr(text, "\n# TYPE cprof_descriptors gauge\n") && strstr(text, "\ncprof_descriptors "));
    CHECK(strstr(text, "\ncprof_build_info{version=\"1.2.3\"} 1\n"));
    CHECK(!strstr(text, "names_taken"));
    buf_fini(&b);
}

static void test_command_line(char *self)
{
    if (!getenv("CPROF_TEST_AGAIN")) {
        setenv("CPROF_TEST_AGAIN", "1", 1);
        execl("/proc/self/exe", self, "a \"b\"\n", "", "\xff<", NULL);
    }
    struct buf json = {0}, raw = {0};
    cmdline_put_json(&json);
    const char *text = terminated(&json);
    const char *rest = strstr(text, "test_vitals\",");
    CHECK(*text == '[' && rest);
    CHECK_STR(rest ? rest : text, "test_vitals\",\"a \\\"b\\\"\\n\",\"\",\"\xef\xbf\xbd\\u003c\"]");
    struct reason why = {0};
    CHECK_INT(cmdline_put(&raw, &why), 0);
    CHECK(raw.data[raw.len - 1] == '<');
    buf_fini(&json);
    buf_fini(&raw);
}

/* For tests/test_memstats.py, which lays it beside the documentation. */
static int show(void)
{
    struct buf out = {0};
    vitals_put_json(&out);
    return fwrite(out.data, 1, out.len, stdout) != out.len;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return show();
    test_command_line(argv[0]);
    test_the_process();
    test_the_engine();
    test_slabs_are_counted();
    test_keys_are_sorted();
    test_metrics();
    return check_done();
}
