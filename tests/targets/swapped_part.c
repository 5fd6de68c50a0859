/* A library that spends CPU time in the function SPIN. */
#include "work.h"

void SPIN(double until);

__attribute__((noinline)) void SPIN(double until)
{
    while (work_thread_seconds() < until)
        work_units(20);
}
