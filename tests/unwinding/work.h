/* What is stepped through: a shared object that has work(). */
#ifndef UNWINDING_WORK_H
#define UNWINDING_WORK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Of the object. */
__attribute__((visibility("default"))) void work(void);

/* Of the program: a signal handler begins without the trap flag, and asks for it. */
__attribute__((visibility("default"))) void step_from_here(void);

#ifdef __cplusplus
}
#endif

#endif
