/*
 * Results of committed uploads, kept until the host has acknowledged them, so that a host can learn
 * the outcome after any loss. The marker of the commit, with volume, path and result, becomes the
 * stored result.
 */
#ifndef KW_STORED_RESULT_H
#define KW_STORED_RESULT_H

#include "serve/session.h"
#include "wire/json.h"

/* After the commit: keeps the marker as the result if it has one, else removes it. */
void stored_result_keep(const struct state *state, const char *operation, bool has_result);
/*
 * Sends RESULT of the operation and returns 1. Returns 0 or -1 if there is none; session->failure
 * has the reason (the one recorded before, or VOLUME_DAMAGED for an incomplete commit).
 */
int stored_result_send(struct session *session, const char *operation);
void stored_result_remove(const struct state *state, const char *operation);
/*
 * Restarts the retention at the start of `serve`, since the recorded times are meaningless after
 * another boot.
 */
void stored_result_renew(const struct state *state);
/* Removes results whose hosts did not reconnect in time. */
void stored_result_prune(const struct state *state);

#endif
