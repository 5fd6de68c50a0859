/* /debug/vars and /debug/metrics: see routes.h for the handlers. */
#ifndef CPROF_HTTP_VARS_H
#define CPROF_HTTP_VARS_H

/* Publishes what is there from the start. Once, before anything is served. */
void vars_init(void);

#endif
