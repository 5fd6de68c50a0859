// A C++ plugin of a C program: throws through its own frames, and through the host's.
#include <stdexcept>
#include <string>

extern "C" int thrower_run(int times, void (*callback)(void));
extern "C" void thrower_throw(void);

static int throw_deeply(int depth, void (*callback)(void))
{
    if (depth > 0)
        return throw_deeply(depth - 1, callback) + 1;
    if (callback)
        callback();
    throw std::runtime_error(std::string("from the plugin"));
}

void thrower_throw(void)
{
    throw 7;
}

int thrower_run(int times, void (*callback)(void))
{
    int caught = 0;
    for (int i = 0; i < times; i++) {
        try {
            throw_deeply(i % 16, callback);
        } catch (const std::exception &error) {
            caught += std::string(error.what()) == "from the plugin";
        } catch (int number) {
            caught += number == 7;
        }
    }
    return caught;
}
