#include "base/any/counters.h"

_Atomic uint64_t counter_values[COUNTER_N];
