#include "profile/strtab.h"

#include "check.h"

static void test_dense_ids(void)
{
    struct strtab t;
    uint32_t id = 99;
    CHECK_INT(strtab_init(&t), STATUS_OK);
    CHECK_INT(strtab_count(&t), 1);
    CHECK_STR(strtab_at(&t, 0), "");
    CHECK_INT(strtab_intern(&t, "", &id), STATUS_OK);
    CHECK_INT(id, 0);
    CHECK_INT(strtab_intern(&t, "main", &id), STATUS_OK);
    CHECK_INT(id, 1);
    CHECK_INT(strtab_intern(&t, "work", &id), STATUS_OK);
    CHECK_INT(id, 2);
    CHECK_INT(strtab_intern(&t, "main", &id), STATUS_OK);
    CHECK_INT(id, 1);
    CHECK_INT(strtab_count(&t), 3);
    CHECK_STR(strtab_at(&t, 2), "work");
    CHECK_INT(strtab_len(&t, 2), 4);
    strtab_fini(&t);
}

static void test_any_bytes(void)
{
    struct strtab t;
    uint32_t with_nul, shorter, nul;
    strtab_init(&t);
    CHECK_INT(strtab_intern_bytes(&t, "a\0b", 3, &with_nul), STATUS_OK);
    CHECK_INT(strtab_intern_bytes(&t, "a", 1, &shorter), STATUS_OK);
    CHECK_INT(strtab_intern_bytes(&t, "\0", 1, &nul), STATUS_OK);
    CHECK(with_nul != shorter && nul != 0);
    CHECK_INT(strtab_len(&t, with_nul), 3);
    CHECK(memcmp(strtab_at(&t, with_nul), "a\0b", 4) == 0);
    CHECK_INT(strtab_len(&t, nul), 1);
    strtab_fini(&t);
}

/* The bytes may be part of the table itself, which moves while it grows. */
static void test_own_bytes(void)
{
    struct strtab t;
    uint32_t first, id;
    strtab_init(&t);
    strtab_intern(&t, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789", &first);
    size_t n = strtab_len(&t, first);
    for (size_t i = 1; i < n; i++) {
        CHECK_INT(strtab_intern_bytes(&t, strtab_at(&t, first) + i, n - i, &id), STATUS_OK);
        CHECK_STR(strtab_at(&t, id), strtab_at(&t, first) + i);
    }
    strtab_fini(&t);
}

static void test_many(void)
{
    enum { MANY = 200000 };
    struct strtab t;
    char text[32];
    uint32_t id, bad = 0;
    strtab_init(&t);
    for (int i = 1; i <= MANY; i++) {
        snprintf(text, sizeof text, "function_%d", i);
        bad += strtab_intern(&t, text, &id) != STATUS_OK || id != (uint32_t)i;
    }
    for (int i = 1; i <= MANY; i++) {
        snprintf(text, sizeof text, "function_%d", i);
        bad += strtab_intern(&t, text, &id) != STATUS_OK || id != (uint32_t)i || strcmp(strtab_at(&t, id), text) != 0;
    }
    CHECK_INT(bad, 0);
    CHECK_INT(strtab_count(&t), MANY + 1);
    strtab_fini(&t);
    CHECK(t.bytes == NULL);
    strtab_fini(&t);
}

int main(void)
{
    test_dense_ids();
    test_any_bytes();
    test_own_bytes();
    test_many();
    return check_done();
}
