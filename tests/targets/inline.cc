// A chain that the compiler inlines, in a namespace, with a template: demangled names, each frame with its own line.
#include <cprof.h>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <vector>

#include "work.h"

namespace shop
{

template <typename T> [[gnu::always_inline]] inline T innermost(T rounds)
{
    T hash = 1;
    for (T i = 0; i < rounds; i++)     // line of innermost
        hash = (hash ^ i) * 16777619u; // line of innermost
    return hash;
}

[[gnu::always_inline]] inline uint32_t middle(uint32_t rounds)
{
    return innermost<uint32_t>(rounds) + 1; // line of middle
}

struct Cart {
    [[gnu::noinline]] uint32_t total(uint32_t rounds) const
    {
        return middle(rounds) + 1; // line of total
    }
};

} // namespace shop

int main(int argc, char **argv)
{
    if (argc < 2 || cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), 0) != 0)
        return 1;
    shop::Cart cart;
    while (work_thread_seconds() < 1.0)
        work_sink = cart.total(20000);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
