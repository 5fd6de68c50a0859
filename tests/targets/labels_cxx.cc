/* The same in C++: scopes that an exception leaves, and the library's own threads. labels_cxx FILE */
#include "work.h"

#include <cprof.h>
#include <fcntl.h>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

static const char *volatile work_name;

#define WORK(name)                                                                                                     \
    __attribute__((noinline)) static void name()                                                                       \
    {                                                                                                                  \
        work_name = #name;                                                                                             \
        for (double end = work_thread_seconds() + 0.2; work_thread_seconds() < end;)                                   \
            work_units(1);                                                                                             \
    }

WORK(in_thread)
WORK(in_future)
WORK(in_both)
WORK(after_throw)

static void throws()
{
    const char *const pairs[] = {"request", "two", "step", "throws", nullptr};
    cprof::labels scope(pairs);
    in_both();
    throw std::runtime_error("thrown");
}

int main(int argc, char **argv)
{
    if (argc < 2 || cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600), 1000) != CPROF_OK)
        return 1;
    try {
        cprof::labels scope("request", "one");
        std::thread thread(in_thread);
        std::future<void> future = std::async(std::launch::async, in_future);
        thread.join();
        future.get();
        throws();
    } catch (const std::runtime_error &) {
        after_throw();
    }
    return cprof_cpu_stop() != CPROF_OK;
}
