/* Memory of ours: what a piece must be, whatever its size. A piece that overlaps another one, or is not zeroed, is a
 * profile with somebody else's stacks in it. */
#include "base/slab.h"
#include "check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define PIECES 400

static size_t size_of(int i)
{
    return i % 40 == 39 ? ((size_t)1 << 16) * (size_t)(i / 40 + 1) - (size_t)(i % 7) : (size_t)(i * 37) % 3000;
}

static bool is_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void pieces_are_zeroed_aligned_and_apart(void)
{
    struct slab slab = {0};
    unsigned char *piece[PIECES];
    for (int i = 0; i < PIECES; i++) {
        piece[i] = slab_get(&slab, size_of(i));
        if (!piece[i])
            abort();
        CHECK_INT((uintptr_t)piece[i] % _Alignof(max_align_t), 0);
        CHECK(is_zero(piece[i], size_of(i)));
        memset(piece[i], i + 1, size_of(i));
    }
    for (int i = 0; i < PIECES; i++)
        for (size_t at = 0; at < size_of(i); at += 61)
            if (piece[i][at] != (unsigned char)(i + 1)) {
                CHECK(!"pieces overlap");
                break;
            }
    slab_fini(&slab);
    CHECK(slab.chunks == NULL && slab.used == 0);
    CHECK(is_zero(slab_get(&slab, 100), 100));
    slab_fini(&slab);
}

/* The chunk's own size, one less, one more: where the bounds meet. */
static void pieces_as_large_as_a_chunk(void)
{
    for (size_t n = ((size_t)64 << 10) - 64; n <= ((size_t)64 << 10) + 64; n++) {
        struct slab slab = {0};
        unsigned char *a = slab_get(&slab, n), *b = slab_get(&slab, n);
        if (!a || !b)
            abort();
        memset(a, 1, n);
        CHECK(is_zero(b, n));
        memset(b, 2, n);
        CHECK_INT(a[n - 1], 1);
        slab_fini(&slab);
    }
}

static void what_there_is_no_room_for(void)
{
    struct slab slab = {0};
    CHECK(slab_get(&slab, SIZE_MAX) == NULL);
    CHECK(slab_get(&slab, SIZE_MAX - 15) == NULL);
    CHECK(slab_get(&slab, (size_t)1 << 60) == NULL);
    CHECK(slab_get(&slab, 8) != NULL);
    slab_fini(&slab);
    CHECK(slab_pages((size_t)1 << 60) == NULL);
    slab_pages_free(NULL, 4096);
    unsigned char *pages = slab_pages(10000);
    CHECK(pages && (uintptr_t)pages % 4096 == 0 && is_zero(pages, 10000));
    slab_pages_free(pages, 10000);
}

int main(void)
{
    pieces_are_zeroed_aligned_and_apart();
    pieces_as_large_as_a_chunk();
    what_there_is_no_room_for();
    return check_done();
}
