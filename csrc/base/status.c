#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status status_because(struct reason *why, enum status code, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        vsnprintf(why->text, sizeof why->text, format, args);
        va_end(args);
    }
    return code;
}

const char *status_errno(int err)
{
    const char *text = strerrordesc_np(err);
    return text ? text : "unknown error";
}

const char *status_text(enum status code)
{
    switch (code) {
    case STATUS_OK: return "no error";
    case STATUS_NOMEM: return "out of memory";
    case STATUS_INVALID: return "invalid argument";
    case STATUS_BUSY: return "already running";
    case STATUS_IN_USE: return "address already in use";
    case STATUS_ADDRESS: return "address cannot be resolved";
    case STATUS_DENIED: return "not permitted";
    case STATUS_SYSTEM: return "the system refused";
    case STATUS_MALFORMED: return "not a valid profile";
    case STATUS_TOO_BIG: return "too big";
    case STATUS_NOT_RUNNING: return "not running";
    case STATUS_DISABLED: return "switched off by CPROF_DISABLE";
    case STATUS_UNSUPPORTED: return "not supported here";
    case STATUS_NO_CORE: return "libcprof_core.so cannot be opened";
    }
    return "unknown status";
}
