/* A library with thread-locals that must lie in the static block, of which glibc has a small reserve. */
#ifndef TLS_BYTES
#define TLS_BYTES 128
#endif

static __thread char block[TLS_BYTES] __attribute__((tls_model("initial-exec")));

char *tls_block(void);

char *tls_block(void)
{
    return block;
}
