/*
 * Results of committed uploads, kept until the host has taken them, so that it can be told what became of one whatever
 * was lost meanwhile: the marker of the commit, which names volume, path and result, becomes the stored result.
 */
#ifndef KW_STORED_RESULT_H
#define KW_STORED_RESULT_H

#include "serve/session.h"
#include "wire/json.h"

/* After the commit: the marker is kept as the result where it has one, else removed. */
void stored_result_keep(const struct state *state, const char *operation, bool has_result);
/*
 * Sends RESULT of the operation: 1. 0 or -1 where there is none: session->failure says why (what was noted before, or
 * VOLUME_DAMAGED where its commit could not be completed).
 */
int stored_result_send(struct session *session, const char *operation);
void stored_result_remove(const struct state *state, const char *operation);
/* At the start of `serve`: they count from now, since the time that they have says nothing after another boot. */
void stored_result_renew(const struct state *state);
/* Removes those whose hosts never came back. */
void stored_result_prune(const struct state *state);

#endif
