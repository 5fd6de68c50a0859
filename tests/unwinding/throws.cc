// C++: exceptions through frames with destructors, virtual calls, the standard library.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "work.h"

namespace
{

volatile long sink;

struct Guard {
    int n;
    explicit Guard(int count) : n(count)
    {
    }
    ~Guard()
    {
        sink = sink + n;
    }
};

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Square : Shape {
    double side = 2;
    double area() const override
    {
        return side * side;
    }
};

struct Circle : virtual Shape {
    double radius = 1;
    double area() const override
    {
        return 3 * radius * radius;
    }
};

[[gnu::noinline]] void throws(int n)
{
    Guard guard(n);
    if (n == 0)
        throw std::runtime_error("at the bottom");
    throws(n - 1);
    sink = sink + 1;
}

[[gnu::noinline]] void rethrows(int n)
{
    try {
        throws(n);
    } catch (const std::logic_error &) {
        sink = sink + 1;
    } catch (...) {
        Guard guard(n);
        throw;
    }
}

[[gnu::noinline]] void catches()
{
    try {
        rethrows(3);
    } catch (const std::exception &error) {
        sink = sink + error.what()[0];
    }
}

template <typename T> [[gnu::noinline]] T sums(const std::vector<T> &values)
{
    T sum{};
    std::for_each(values.begin(), values.end(), [&sum](const T &value) { sum += value; });
    return sum;
}

[[gnu::noinline]] void uses_the_library()
{
    std::map<std::string, std::vector<int>> table;
    for (int i = 0; i < 5; i++)
        table["key " + std::to_string(i % 3)].push_back(i * 7919 % 13);
    for (auto &entry : table)
        std::sort(entry.second.begin(), entry.second.end());
    std::vector<double> values{1, 2, 3};
    std::ostringstream out;
    out << sums(values) << ' ' << table.size();
    std::function<long(long)> count = [&count](long n) { return n ? 1 + count(n - 1) : 0; };
    sink = sink + static_cast<long>(out.str().size()) + count(4);
}

[[gnu::noinline]] void calls_virtually()
{
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.emplace_back(new Square);
    shapes.emplace_back(new Circle);
    for (const auto &shape : shapes)
        sink = sink + static_cast<long>(shape->area());
}

} // namespace

void work()
{
    static void (*const all[])() = {catches, uses_the_library, calls_virtually};
    static unsigned turn;
    all[turn++ % 3]();
}
