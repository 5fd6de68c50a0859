#include "http/rescue.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

jmp_buf rescue_point;

static _Atomic pid_t armed_tid;

/* The library uses some of its allocations without looking: one that fails ends our thread's work instead. */
static void *allocate(size_t n)
{
    void *p = malloc(n);
    if (!p && n && atomic_load(&armed_tid) == gettid())
        longjmp(rescue_point, 1);
    return p;
}

static void *reallocate(void *old, size_t n)
{
    void *p = realloc(old, n);
    if (!p && n && atomic_load(&armed_tid) == gettid())
        longjmp(rescue_point, 1);
    return p;
}

void rescue_arm(void)
{
    event_set_mem_functions(allocate, reallocate, free);
    atomic_store(&armed_tid, gettid());
}

void rescue_disarm(void)
{
    atomic_store(&armed_tid, 0);
}

__attribute__((noreturn)) static void leave(void)
{
    if (atomic_load(&armed_tid) == gettid())
        longjmp(rescue_point, 1);
    for (;;) /* unreachable as long as every call into the library is armed; parking is all that is left */
        pause();
}

/* The whole of libevent 2.1's log.c, by the names and types of its log-internal.h. */
uint32_t event_debug_logging_mask_;

__attribute__((noreturn)) void event_err(int code, const char *format, ...);
__attribute__((noreturn)) void event_errx(int code, const char *format, ...);
__attribute__((noreturn)) void event_sock_err(int code, int fd, const char *format, ...);
void event_warn(const char *format, ...);
void event_warnx(const char *format, ...);
void event_sock_warn(int fd, const char *format, ...);
void event_msgx(const char *format, ...);
void event_debugx_(const char *format, ...);
void event_logv_(int severity, const char *error, const char *format, __builtin_va_list args);

void event_err(int code, const char *format, ...)
{
    (void)code, (void)format;
    leave();
}

void event_errx(int code, const char *format, ...)
{
    (void)code, (void)format;
    leave();
}

void event_sock_err(int code, int fd, const char *format, ...)
{
    (void)code, (void)fd, (void)format;
    leave();
}

void event_warn(const char *format, ...)
{
    (void)format;
}

void event_warnx(const char *format, ...)
{
    (void)format;
}

void event_sock_warn(int fd, const char *format, ...)
{
    (void)fd, (void)format;
}

void event_msgx(const char *format, ...)
{
    (void)format;
}

void event_debugx_(const char *format, ...)
{
    (void)format;
}

void event_logv_(int severity, const char *error, const char *format, __builtin_va_list args)
{
    (void)severity, (void)error, (void)format, (void)args;
}

void event_enable_debug_logging(ev_uint32_t which)
{
    (void)which;
}

void event_set_fatal_callback(event_fatal_cb callback)
{
    (void)callback;
}

void event_set_log_callback(event_log_cb callback)
{
    (void)callback;
}
