/* What C programs do all day, a fixed amount of it: argv[1] is compress, sqlite or locks, argv[2] how much. */
#include "tool.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <zlib.h>

#define SETTLE_US 100000 /* starting is over: see burn.c */

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void compress_text(long blocks)
{
    static char text[1 << 20], out[2 << 20];
    static const char *const words[] = {"time ", "profile ", "of ", "every ", "thread ", "\n", "42 ", "sample "};
    uint64_t state = 1;
    for (size_t n = 0; n + 16 < sizeof text;) {
        const char *word = words[draw(&state) % 8];
        memcpy(text + n, word, strlen(word));
        n += strlen(word);
        if (draw(&state) % 4 == 0)
            text[n++] = (char)('a' + draw(&state) % 26);
    }
    for (long i = 0; i < blocks; i++) {
        uLongf size = sizeof out;
        if (compress2((Bytef *)out, &size, (const Bytef *)text, sizeof text, 6) != Z_OK)
            die("compress2");
    }
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
}

static void query(long times)
{
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        die("sqlite3_open");
    sql(db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, note TEXT)");
    for (long i = 0; i < times; i++) {
        sql(db, "BEGIN");
        sql(db, "INSERT INTO orders (customer, amount, note) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                "FROM n WHERE i < 20000) SELECT i * 7919 % 500, i * 0.25, 'note ' || i FROM n");
        sql(db, "COMMIT");
        sql(db, "SELECT customer, sum(amount), count(*), max(note) FROM orders GROUP BY customer ORDER BY 2 DESC");
        sql(db, "DELETE FROM orders");
    }
    sqlite3_close(db);
}

#define THREADS 2
#define ALONE                                                                                                          \
    400 /* steps between two turns: a mutex fought over all the time takes twice the CPU in one run or half            \
         */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long shared, turns;

static void *take_turns(void *arg)
{
    uint64_t state = 1;
    for (long i = 0; i < turns; i++) {
        for (int k = 0; k < ALONE; k++)
            draw(&state);
        pthread_mutex_lock(&lock);
        shared = shared * 31 + (long)state;
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void locks(long thousands)
{
    pthread_t threads[THREADS];
    turns = thousands * 1000 / THREADS;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_turns, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long much = atol(argv[2]);
    tool_start();
    usleep(SETTLE_US);
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (!strcmp(argv[1], "compress"))
        compress_text(much);
    else if (!strcmp(argv[1], "sqlite"))
        query(much);
    else
        locks(much);
    int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    tool_stop();
    printf("cpu_ns %lld\n", (long long)cpu_ns);
    return 0;
}
