/*
 * Between a client and the library: evhttp gets a request when its head is whole and was found sound (http/head). Until
 * then what comes is read by a callback of ours in the place of the library's. evhttp puts its own back with each
 * request, and begins to read at once what came behind the last one; so that is set aside for the moment (gate_next),
 * until the look that follows (gate_look). Who is refused here hears it, and is let go. Loop's thread.
 */
#ifndef CPROF_HTTP_GATE_H
#define CPROF_HTTP_GATE_H

struct peer;

/* Before the library reads anything of a new connection. */
void gate_close(struct peer *p);

/* An answer is over, from the library's callback; a look must follow before the library reads. */
void gate_next(struct peer *p);

/* Of a peer that is being read from: closes the gate again, and says in our words what the library refused. */
void gate_look(struct peer *p);

#endif
