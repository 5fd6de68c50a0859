#include "check.h"
#include "encode/expvar.h"
#include "encode/json.h"
#include "encode/openmetrics.h"
#include "vars/published.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char text_of[1 << 16];

static const char *text(struct buf *b)
{
    size_t n = b->len < sizeof text_of ? b->len : sizeof text_of - 1;
    memcpy(text_of, b->data, n);
    text_of[n] = '\0';
    buf_fini(b);
    return text_of;
}

static const char *float_text(double value)
{
    struct buf b = {0};
    json_put_float(&b, value);
    return text(&b);
}

/* As expvar.Float of Go 1.26 writes them. */
static void test_floats_are_written_as_go_does(void)
{
    CHECK_STR(float_text(0), "0");
    CHECK_STR(float_text(-0.0), "-0");
    CHECK_STR(float_text(1), "1");
    CHECK_STR(float_text(-17), "-17");
    CHECK_STR(float_text(0.3), "0.3");
    CHECK_STR(float_text(0.1 + 0.2), "0.30000000000000004");
    CHECK_STR(float_text(1e5), "100000");
    CHECK_STR(float_text(123456), "123456");
    CHECK_STR(float_text(123456.5), "123456.5");
    CHECK_STR(float_text(1e6), "1e+06");
    CHECK_STR(float_text(1234567), "1.234567e+06");
    CHECK_STR(float_text(-1234567.5), "-1.2345675e+06");
    CHECK_STR(float_text(1e20), "1e+20");
    CHECK_STR(float_text(1e21), "1e+21");
    CHECK_STR(float_text(1e-4), "0.0001");
    CHECK_STR(float_text(1.5e-5), "1.5e-05");
    CHECK_STR(float_text(1e-7), "1e-07");
    CHECK_STR(float_text(5e-324), "5e-324");
    CHECK_STR(float_text(1.7976931348623157e308), "1.7976931348623157e+308");
    CHECK_STR(float_text(9007199254740993.0), "9.007199254740992e+15");
    CHECK_STR(float_text(0x1p-44), "5.684341886080802e-14");
    CHECK_STR(float_text(NAN), "null");
    CHECK_STR(float_text(-INFINITY), "null");
}

static const char *quoted(const char *bytes, size_t n)
{
    struct buf b = {0};
    json_put_string(&b, bytes, n);
    return text(&b);
}

static void test_strings_are_quoted_as_go_does(void)
{
    CHECK_STR(quoted("", 0), "\"\"");
    CHECK_STR(quoted("a\"b\\c", 5), "\"a\\\"b\\\\c\"");
    CHECK_STR(quoted("\n\r\t\x01\x1f\x7f", 6), "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
    CHECK_STR(quoted("a\0b", 3), "\"a\\u0000b\"");
    CHECK_STR(quoted("<>&", 3), "\"\\u003c\\u003e\\u0026\"");
    CHECK_STR(quoted("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 12),
              "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
    CHECK_STR(quoted("\xc3\xa4\xf0\x9f\x98\x80", 6), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
    CHECK_STR(quoted("\xff\xc3", 2), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK_STR(quoted("\xc0\x80", 2), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* a second way to write NUL */
    CHECK_STR(quoted("\xed\xa0\x80", 3), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* half a pair */
}

static bool valid(const char *json)
{
    return json_is_valid(json, strlen(json));
}

static void test_the_check_is_strict(void)
{
    static const char *const good[] = {
        "0",     "-0.5e+3", "\"\\u00e4\\n\"", " [1, 2 ,[]] ", "{}", "{\"a\":{\"b\":null}}", "true",
        "false", "1E5",     "\"\xc3\xa4\""};
    static const char *const bad[] = {"",    " ",      "01",   "1.",      ".5",          "+1",       "-",
                                      "NaN", "nul",    "[1,]", "[1 2]",   "{\"a\":1,}",  "{a:1}",    "{\"a\" 1}",
                                      "\"a", "\"\n\"", "1 2",  "\"\\x\"", "\"\\u12g4\"", "\"\xff\"", "{} {}",
                                      "[",   "1e",     "truex"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!valid(bad[i]));
    char deep[3 * JSON_DEPTH];
    memset(deep, '[', JSON_DEPTH);
    memset(deep + JSON_DEPTH, ']', JSON_DEPTH);
    CHECK(json_is_valid(deep, 2 * (size_t)JSON_DEPTH));
    memset(deep, '[', JSON_DEPTH + 1);
    memset(deep + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
    CHECK(!json_is_valid(deep, 2 * (size_t)(JSON_DEPTH + 1)));
}

static const char *value_text(struct var *v)
{
    struct buf b = {0};
    struct functions *f = functions_collect();
    functions_call(f, 1000000000);
    expvar_write_value(&b, v, f);
    functions_free(f);
    return text(&b);
}

static enum status map_put(struct var *map, const char *key, struct var *v)
{
    enum status status = map_set(map, key, strlen(key), v);
    var_drop(v);
    return status;
}

/* Go's rules: TestMapInit, TestMapDelete, TestMapCounter, TestMapNil. */
static void test_maps(void)
{
    struct var *map = var_new(VAR_MAP);
    CHECK_STR(value_text(map), "{}");
    map_add_int(map, "red", 3, 1);
    map_add_int(map, "red", 3, 2);
    map_add_int(map, "blue", 4, 4);
    map_add_float(map, "green", 5, 4.125);
    CHECK_STR(value_text(map), "{\"blue\": 4, \"green\": 4.125, \"red\": 3}");
    map_add_int(map, "green", 5, 1);
    map_add_float(map, "red", 3, 1);
    CHECK_STR(value_text(map), "{\"blue\": 4, \"green\": 4.125, \"red\": 3}");
    map_put(map, "nil", NULL);
    map_add_int(map, "nil", 3, 1);
    map_delete(map, "blue", 4);
    map_delete(map, "unknown", 7);
    CHECK_STR(value_text(map), "{\"green\": 4.125, \"nil\": null, \"red\": 3}");
    CHECK(!map_get(map, "nil", 3) && !map_get(map, "blue", 4));
    CHECK(map_has(map, "nil", 3) && !map_has(map, "blue", 4) && !map_has(NULL, "nil", 3));
    CHECK_INT(map_count(map), 3);
    map_clear(map);
    CHECK_INT(map_count(map), 0);
    CHECK_STR(value_text(map), "{}");
    struct var *text = var_new(VAR_STRING);
    var_string_set(text, "x", 1);
    map_put(map, "s", text);
    map_set(map, "self", 4, map);
    CHECK(valid(value_text(map)));
    map_delete(map, "self", 4);
    var_drop(map);
}

static void test_a_map_of_many(void)
{
    enum { MANY = 5000 };
    struct var *map = var_new(VAR_MAP);
    char key[32];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < MANY; i++)
            map_add_int(map, key, (size_t)snprintf(key, sizeof key, "key%d", i), i);
        for (int i = 0; i < MANY; i += 2)
            map_delete(map, key, (size_t)snprintf(key, sizeof key, "key%d", i));
    }
    for (int i = 0; i < MANY; i++) {
        struct var *v = map_get(map, key, (size_t)snprintf(key, sizeof key, "key%d", i));
        CHECK((v != NULL) == (i % 2 == 1));
        CHECK_INT(var_int(v), i % 2 ? 4 * i : 0);
        var_drop(v);
    }
    struct map_order *own;
    unsigned cell = grace_enter(map->grace);
    const struct map_order *order = map_sorted(map, &own);
    CHECK_INT(order->n, MANY / 2);
    CHECK(map_sorted(map, &own) == order); /* kept */
    grace_leave(map->grace, cell);
    var_drop(map);
}

static void test_what_is_of_another_kind_is_left_alone(void)
{
    struct var *v = var_new(VAR_INT);
    size_t n;
    var_float_add(v, 1);
    var_float_set(NULL, 1);
    var_string_set(v, "x", 1);
    map_delete(v, "x", 1);
    map_clear(NULL);
    CHECK_INT(map_add_int(v, "x", 1, 1), STATUS_INVALID);
    CHECK_INT(map_set(NULL, "x", 1, v), STATUS_INVALID);
    CHECK_STR(var_string(v, &n), "");
    CHECK_INT(var_int(v), 0);
    var_drop(v);
    var_drop(NULL);
}

static int good(void *arg, char *json, size_t room)
{
    return snprintf(json, room, " {\"n\":%d}\n", *(int *)arg);
}

static int wide(void *arg, char *json, size_t room)
{
    (void)arg;
    return snprintf(json, room, "\"%01000d\"", 7);
}

static int broken(void *arg, char *json, size_t room)
{
    return snprintf(json, room, "%s", (const char *)arg);
}

static int failing(void *arg, char *json, size_t room)
{
    (void)arg, (void)json, (void)room;
    return -1;
}

static int growing(void *arg, char *json, size_t room)
{
    int *n = arg;
    *n *= 2;
    return snprintf(json, room, "%0*d", *n, 1);
}

static void publish(const char *name, struct var *v)
{
    CHECK_INT(published_add(name, strlen(name), v, NULL), STATUS_OK);
    var_drop(v);
}

static void write_own(struct buf *out)
{
    buf_puts(out, "{\"a\":1,\"b\":\"no number\",\"c\":[1,2],\"\\u0064\":-2.5e3}");
}

static void write_own_metrics(struct buf *out)
{
    buf_puts(out, "# TYPE cprof_memstats_a gauge\ncprof_memstats_a 1\n");
}

static void test_the_document(void)
{
    static int seven = 7, doubling = 600;
    struct buf b = {0};
    struct reason why = {0};
    CHECK(expvar_write(&b, NULL));
    CHECK_STR(text(&b), "{\n\n}\n");
    struct var *hits = var_new(VAR_INT), *map = var_new(VAR_MAP), *note = var_new(VAR_STRING),
               *nan = var_new(VAR_FLOAT);
    var_int_set(hits, INT64_MIN);
    map_add_int(map, "b \"quoted\"\n", 11, 2);
    map_add_float(map, "a", 1, 0.5);
    map_put(map, "f", var_new_function(good, &seven, NULL));
    map_add_int(map, "\xfe", 1, 5); /* of two names that are written the same metrics have one */
    map_add_int(map, "\xff", 1, 6);
    var_string_set(note, "n", 1);
    var_float_set(nan, NAN);
    publish("hits", hits);
    publish("Map", map);
    publish("b.note", note);
    publish("b-note", var_new(VAR_INT));
    publish("nan", nan);
    publish("cprof.memstats.a", var_new(VAR_INT));
    publish("", var_new(VAR_INT));
    CHECK_INT(published_add("hits", 4, map, &why), STATUS_IN_USE);
    CHECK_STR(why.text, "Reuse of exported var name: hits");
    CHECK_INT(published_add("hits", 4, hits, &why), STATUS_OK);
    CHECK_INT(published_add("memstats", 8, map, &why), STATUS_IN_USE);
    CHECK_INT(published_add_own("memstats", write_own, write_own_metrics), STATUS_OK);
    CHECK(!expvar_write(&b, NULL));
    buf_fini(&b);
    publish("wide", var_new_function(wide, NULL, NULL));
    publish("broken", var_new_function(broken, "{\"a\":", NULL));
    publish("none", var_new_function(broken, "", NULL));
    publish("failing", var_new_function(failing, NULL, NULL));
    publish("growing", var_new_function(growing, &doubling, NULL));

    struct functions *f = functions_collect();
    functions_call(f, 1000000000);
    CHECK(expvar_write(&b, f));
    char want[4096];
    snprintf(want, sizeof want,
             "{\n\"\": 0,\n\"Map\": {\"a\": 0.5, \"b \\\"quoted\\\"\\n\": 2, \"f\": {\"n\":7}, "
             "\"\xef\xbf\xbd\": 5, \"\xef\xbf\xbd\": 6},\n\"b-note\": 0,\n"
             "\"b.note\": \"n\",\n\"broken\": null,\n\"cprof.memstats.a\": 0,\n\"failing\": null,\n\"growing\": null,\n"
             "\"hits\": -9223372036854775808,\n"
             "\"memstats\": {\"a\":1,\"b\":\"no number\",\"c\":[1,2],\"\\u0064\":-2.5e3},\n"
             "\"nan\": null,\n\"none\": null,\n\"wide\": \"%01000d\"\n}\n",
             7);
    CHECK_STR(text(&b), want);
    CHECK(openmetrics_write(&b, f));
    CHECK_STR(text(&b),
              "# TYPE _ gauge\n_ 0\n"
              "# TYPE Map gauge\nMap{key=\"a\"} 0.5\nMap{key=\"b \\\"quoted\\\"\\n\"} 2\nMap{key=\"\xef\xbf\xbd\"} 5\n"
              "# TYPE b_note gauge\nb_note 0\n"
              "# TYPE b_note_2 info\nb_note_2_info{value=\"n\"} 1\n"
              "# TYPE _cprof_memstats_a gauge\n_cprof_memstats_a 0\n"
              "# TYPE hits gauge\nhits -9223372036854775808\n"
              "# TYPE cprof_memstats_a gauge\ncprof_memstats_a 1\n"
              "# TYPE nan gauge\nnan NaN\n# EOF\n");
    functions_free(f);
}

static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

/* What was taken out is given back, with the next thing that is taken out at the latest. */
static void test_what_goes_is_freed(void)
{
    struct var *map = var_new(VAR_MAP);
    for (int i = 0; i < 100; i++)
        map_put(map, "f", var_new_function(failing, NULL, release));
    map_delete(map, "f", 1);
    map_delete(map, "f", 1);
    CHECK(released >= 99);
    map_put(map, "f", var_new_function(failing, NULL, release));
    map_clear(map);
    map_put(map, "g", var_new_function(failing, NULL, release));
    var_drop(map);
    CHECK_INT(released, 102);

    released = 0;
    map = var_new(VAR_MAP);
    unsigned cell = grace_enter(map->grace);
    for (int i = 0; i < 10; i++)
        map_put(map, "f", var_new_function(failing, NULL, release));
    CHECK_INT(released, 0); /* somebody may be reading the first */
    grace_leave(map->grace, cell);
    map_clear(map);
    map_put(map, "f", NULL);
    map_put(map, "f", NULL);
    CHECK_INT(released, 10);
    var_drop(map);
}

#define MAPS_DEEP 100000

static void *drop_deep(void *arg)
{
    var_drop(arg);
    return NULL;
}

/* Each fell on the stack of the one around it. */
static void test_maps_as_deep_as_no_stack(void)
{
    pthread_t thread;
    pthread_attr_t small;
    struct var *map = var_new(VAR_MAP);
    map_put(map, "f", var_new_function(failing, NULL, release));
    released = 0;
    for (int i = 0; i < MAPS_DEEP; i++) {
        struct var *outer = var_new(VAR_MAP);
        map_put(outer, "x", map);
        map = outer;
    }
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)256 << 10);
    CHECK_INT(pthread_create(&thread, &small, drop_deep, map), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&small);
    CHECK_INT(released, 1);
}

#define THREADS 6
#define ROUNDS  20000

static struct var *shared_int, *shared_float, *shared_text, *shared_map;
static atomic_bool stop;

static void *storm(void *arg)
{
    char key[32];
    unsigned id = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        var_int_add(shared_int, 1);
        var_float_add(shared_float, 0.5);
        map_add_int(shared_map, "steady", 6, 1);
        size_t n = (size_t)snprintf(key, sizeof key, "k%u", i % 97);
        if (i % 7 == 0)
            map_delete(shared_map, key, n);
        else if (i % 11 == 0)
            map_put(shared_map, key, var_new(VAR_FLOAT));
        else
            map_add_int(shared_map, key, n, (int64_t)id);
        if (i % 5 == 0)
            var_string_set(shared_text, key, n);
    }
    return NULL;
}

static void *render(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        struct buf b = {0};
        expvar_write_value(&b, shared_map, NULL);
        CHECK(json_is_valid(b.data, b.len));
        b.len = 0;
        expvar_write_value(&b, shared_text, NULL);
        CHECK(json_is_valid(b.data, b.len));
        buf_fini(&b);
    }
    return NULL;
}

/* Meant for the sanitizers above all: adds, sets, deletes and renderings at once, and no addition is lost. */
static void test_a_storm(void)
{
    pthread_t threads[THREADS], reader;
    shared_int = var_new(VAR_INT), shared_float = var_new(VAR_FLOAT);
    shared_text = var_new(VAR_STRING), shared_map = var_new(VAR_MAP);
    pthread_create(&reader, NULL, render, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, storm, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    pthread_join(reader, NULL);
    CHECK_INT(var_int(shared_int), THREADS * ROUNDS);
    CHECK(var_float(shared_float) == THREADS * ROUNDS * 0.5);
    struct var *steady = map_get(shared_map, "steady", 6);
    CHECK_INT(var_int(steady), THREADS * ROUNDS);
    var_drop(steady);
    var_drop(shared_int), var_drop(shared_float), var_drop(shared_text), var_drop(shared_map);
}

static void *churn(void *arg)
{
    char key[32];
    (void)arg;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        size_t n = (size_t)snprintf(key, sizeof key, "k%u", i % 301);
        map_add_int(shared_map, key, n, 1);
        map_delete(shared_map, key, n);
    }
    return NULL;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* With a lock that a parent's thread holds for ever, or readers that never leave, the child would hang or grow. */
static void test_a_child_of_fork_goes_on(void)
{
    pthread_t threads[2];
    shared_map = var_new(VAR_MAP);
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            released = 0;
            for (int j = 0; j < 20; j++)
                map_put(shared_map, "f", var_new_function(failing, NULL, release));
            map_add_int(shared_map, "n", 1, 5);
            map_put(shared_map, "f", NULL);
            const char *json = value_text(shared_map);
            _exit(released >= 19 && valid(json) ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK_INT(status, 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    var_drop(shared_map);
}

/* What is still to be freed is kept where LeakSanitizer does not look. */
static void free_the_rest(void)
{
    struct var *map = var_new(VAR_MAP);
    for (int i = 0; i < 4; i++)
        map_put(map, "x", NULL);
    var_drop(map);
}

int main(void)
{
    test_floats_are_written_as_go_does();
    test_strings_are_quoted_as_go_does();
    test_the_check_is_strict();
    test_maps();
    test_a_map_of_many();
    test_what_is_of_another_kind_is_left_alone();
    test_what_goes_is_freed();
    test_maps_as_deep_as_no_stack();
    test_a_storm();
    if (SANITIZED)
        puts("skipped: the sanitizers' malloc may hang in the child of a threaded fork");
    else
        test_a_child_of_fork_goes_on();
    test_the_document();
    free_the_rest();
    return check_done();
}
