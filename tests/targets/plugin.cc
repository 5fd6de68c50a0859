// Loaded, thrown through and unloaded by the storm.
#include <stdexcept>
#include <string>

extern "C" int plugin_throw(int depth)
{
    if (depth > 0)
        return plugin_throw(depth - 1) + 1;
    throw std::runtime_error(std::string("from the plugin"));
}
