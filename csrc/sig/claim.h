/*
 * SIGPROF: taking it from whoever has it, seeing whether we still do, and giving others what is theirs.
 *
 * A SIGPROF that is not our tick goes to the handler that stood before ours, under the mask and with the effects it
 * would have had without us. Handlers may have been put over ours and ours over them again, each calling the one it
 * found: the chain is remembered, newest first, and a call that comes back to us from inside it goes on to the next.
 */
#ifndef CPROF_SIG_CLAIM_H
#define CPROF_SIG_CLAIM_H

#include <signal.h>
#include <stdbool.h>

typedef void claim_handler(int sig, siginfo_t *info, void *context);

/* Installs ours where it does not stand already. False with errno where sigaction fails. Ordinary threads, one at
 * a time. */
bool claim_take(claim_handler *ours);

/* Does ours stand? The host may have installed its own. Any context. */
bool claim_stands(claim_handler *ours);

/* While ours stands: what the host believes to stand there, and what it wants there from now on. Ours stays, and passes
 * on. Where the host's calls are not intercepted nobody calls these, and a handler it installs simply replaces ours. */
void claim_shown(struct sigaction *host);
void claim_show(const struct sigaction *host, claim_handler *ours);

/* Called, in the handler, when a SIGPROF that is not ours is about to end the process, as its default is. */
void claim_before_end(void (*tell)(void));

/* In our handler: this signal is not ours. */
void claim_pass_on(claim_handler *ours, int sig, siginfo_t *info, void *context);

#endif
