#include "http/limits.h"

#define SECOND INT64_C(1000000000)

struct http_limits http_limits = {
    .peers = LIMITS_PEERS_MAX,
    .waiting = 192,
    .target_bytes = 16 << 10,
    .header_bytes = 64 << 10,
    .body_bytes = 1 << 20,
    .ahead_bytes = 64 << 10,
    .input_bytes = 8 << 20,
    .request_ns = 60 * SECOND,
    .slow_ns = SECOND,
    .stall_ns = 30 * SECOND,
    .answer_ns = 600 * SECOND,
    .linger_ns = 2 * SECOND,
    .look_ns = 60 * SECOND,
    .open_ns = 10 * SECOND,
    .pause_ns = SECOND,
    .leave_ns = 2 * SECOND,
};
