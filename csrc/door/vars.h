/* The variables of C code, which live without the core; see door/vars.c. */
#ifndef CPROF_DOOR_VARS_H
#define CPROF_DOOR_VARS_H

/* What the last failure to make or to publish one was, while there is no core to remember it; "" when none. */
const char *vars_last_error(void);

#endif
