#include "symbol/demangle.h"

#include "check.h"

static const char *shown(const char *mangled)
{
    static char out[DEMANGLE_MAX];
    return demangle(mangled, out) ? out : "(not mangled)";
}

static void test_cpp(void)
{
    CHECK_STR(shown("_Z3addii"), "add(int, int)");
    CHECK_STR(shown("_ZN2ns5twiceIiEET_S1_"), "ns::twice<int>(int)");
    CHECK_STR(shown("_ZN3FooC2Ev"), "Foo::Foo()");
    CHECK_STR(shown("_ZN3FooC4Ev"), "Foo::Foo()");
    CHECK_STR(shown("_ZZ4mainENKUliE_clEi"), "main::{lambda(int)#1}::operator()(int) const");
    CHECK_STR(shown("_ZNSt6vectorIiSaIiEE9push_backERKi"),
              "std::vector<int, std::allocator<int> >::push_back(int const&)");
    CHECK_STR(shown("_ZN12_GLOBAL__N_14workEv"), "(anonymous namespace)::work()");
    CHECK_STR(shown("_Z3addii.constprop.0"), "add(int, int) [clone .constprop.0]");
}

static void test_rust(void)
{
    CHECK_STR(shown("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
    CHECK_STR(shown("_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234"), "core::fmt::write");
    CHECK_STR(shown("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Debug$GT$3fmt17ha5b9ad8b8a3dbf19E"),
              "<alloc::string::String as core::fmt::Debug>::fmt");
    CHECK_STR(shown("_RNvC6_123foo3bar"), "123foo::bar");
}

static void test_plain(void)
{
    CHECK_STR(shown("malloc"), "(not mangled)");
    CHECK_STR(shown(""), "(not mangled)");
    CHECK_STR(shown("_"), "(not mangled)");
    CHECK_STR(shown("_start"), "(not mangled)");
    CHECK_STR(shown("_Z"), "(not mangled)");
    CHECK_STR(shown("_R"), "(not mangled)");
    CHECK_STR(shown("_ZN3Foo"), "(not mangled)");
}

/* Deep nesting, repeated substitutions that double the text, and every cut of a valid name. */
static void test_hostile(void)
{
    char name[8192];
    char out[DEMANGLE_MAX];
    for (size_t n = 100; n < sizeof name - 8; n *= 3) {
        memset(name, 'P', sizeof name);
        memcpy(name, "_Z1f", 4);
        memcpy(name + n, "i", 2);
        if (demangle(name, out))
            CHECK(strlen(out) < DEMANGLE_MAX);
        CHECK(n < DEMANGLE_MAX_MANGLED || !demangle(name, out));
    }
    strcpy(name, "_Z1fSt4pairIS_S_E");
    for (int i = 0; i < 12; i++)
        sprintf(name + strlen(name), "S%c_S%c_", '0' + i % 10, '0' + i % 10);
    demangle(name, out);

    strcpy(name, "_Z1f");
    strcat(name, "N100:");
    demangle(name, out);
    static const char doubling[] = "_Z1fP1aI1bIS_S_ES1_ES2_IS3_S3_ES4_IS5_S5_ES6_IS7_S7_ES8_IS9_S9_E";
    for (size_t n = 0; n <= sizeof doubling - 1; n++) {
        memcpy(name, doubling, n);
        name[n] = '\0';
        if (demangle(name, out))
            CHECK(strlen(out) < DEMANGLE_MAX);
    }
}

/* What does not fit ends in dots. */
static void test_cut(void)
{
    char name[DEMANGLE_MAX_MANGLED], out[DEMANGLE_MAX];
    char part[201];
    memset(part, 'x', 200);
    part[200] = '\0';
    int n = sprintf(name, "_Z1fSt3mapI200%sS0_E", part);
    for (int i = 0; i < 60; i++)
        n += sprintf(name + n, "S0_");
    if (demangle(name, out)) {
        CHECK_INT(strlen(out), DEMANGLE_MAX - 1);
        CHECK_STR(out + DEMANGLE_MAX - 4, "...");
    }
    CHECK(demangle(name, out));
}

/* The n-th part of a name that may be named again. */
static char *part(char *at, int n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    *at++ = 'S';
    if (n > 36)
        *at++ = digits[(n - 1) / 36];
    if (n > 0)
        *at++ = digits[(n - 1) % 36];
    *at++ = '_';
    return at;
}

/* Each level has the one below twice: 400 bytes that took 18 hours. */
static void test_doubled_text(void)
{
    char name[DEMANGLE_MAX_MANGLED], out[DEMANGLE_MAX];
    char *at = stpcpy(name, "_Z1f1PIiiE");
    for (int level = 1; level < 60; level++) {
        at = stpcpy(at, "S_I");
        at = part(part(at, level), level);
        *at++ = 'E';
    }
    *at = '\0';
    CHECK(demangle(name, out));
    CHECK_INT(strlen(out), DEMANGLE_MAX - 1);
    CHECK(strncmp(out, "f(P<int, int>, P<P<int, int>, ", 30) == 0);
    CHECK_STR(out + DEMANGLE_MAX - 4, "...");
}

/* Where a pack is looked for in such a name, no text comes of it. */
static void test_doubled_walk(void)
{
    char name[DEMANGLE_MAX_MANGLED], out[DEMANGLE_MAX];
    for (int levels = 3; levels < 80; levels += 76) {
        char *at = stpcpy(name, "_Z1fIJEEvDp");
        for (int i = 0; i < levels; i++)
            at = stpcpy(at, "PFv");
        at = stpcpy(at, "PFviE");
        for (int i = 0; i < levels; i++)
            at = stpcpy(part(at, 2 * i + 2), "E");
        CHECK(demangle(name, out) == (levels == 3));
    }
    CHECK_STR(shown("_Z1fIJicEEvDpOT_"), "f<int, char>(int&&, char&&)");
    CHECK_STR(shown("_ZSt4makeI1aJRiEESt3ptrINSt2ifIXntsr2isIT_EE1vES2_E1tEEDpOT0_"), "std::make<a, int&>(int&)");
}

/* What may be arguments after "cv" is read twice, and what lies in it four times. */
static void test_doubled_reading(void)
{
    char name[DEMANGLE_MAX_MANGLED], out[DEMANGLE_MAX];
    char *at = stpcpy(name, "_ZN1AcvT_");
    for (int i = 0; i < 200; i++)
        at = stpcpy(at, "IT_");
    *at++ = 'i';
    memset(at, 'E', 201);
    strcpy(at + 201, "v");
    CHECK(!demangle(name, out));
    CHECK_STR(shown("_ZN1AcvT_IiEEv"), "A::operator int<int>()");
}

/* So many lifetimes are counted even where none is shown. */
static void test_many_lifetimes(void)
{
    CHECK_STR(shown("_RNvMIC0FGzzzzzzzzzz_EuEm3foo"), "(not mangled)");
    CHECK_STR(shown("_RNvMIC0DGzzzzzzzzzz_EuEm3foo"), "(not mangled)");
    CHECK_STR(shown("_RNvMIC0FG_EuEm3foo"), "<u32>::foo");
    CHECK_STR(shown("_RNvC5crate12Glong_enough"), "crate::Glong_enough");          /* an identifier */
    CHECK_STR(shown("_RNvCs1xDGV85I1S7_12rustc_traits3foo"), "rustc_traits::foo"); /* the hash of a crate */
    CHECK_STR(shown("_RNvC5crate13DGlong_enough"), "crate::DGlong_enough");
    CHECK_STR(shown("_RNvNtC5crate3CFG11push_assign"), "crate::CFG::push_assign");
    CHECK_STR(shown("_RNvNtC5crate5FHCFG11push_assign"), "crate::FHCFG::push_assign");
}

int main(void)
{
    test_cpp();
    test_rust();
    test_plain();
    test_hostile();
    test_cut();
    test_doubled_text();
    test_doubled_walk();
    test_doubled_reading();
    test_many_lifetimes();
    return check_done();
}
