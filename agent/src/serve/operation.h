/* The operations of docs/agent-protocol.md 4. */
#ifndef KW_OPERATION_H
#define KW_OPERATION_H

#include "serve/session.h"
#include "wire/json.h"

enum operation_end {
    OPERATION_FAILED = -1,  /* session->failure becomes ERROR, or the connection is lost */
    OPERATION_ANSWERED = 0, /* RESULT was sent */
    OPERATION_DONE = 1      /* RESULT or ERROR was sent, and the host has acknowledged it */
};

/* Runs the whole operation and returns its operation_end. `open` is the JSON of OPEN. */
typedef int operation_fn(struct session *session, const struct json *open);

operation_fn operation_receive, operation_send, operation_copy, operation_remove;
operation_fn operation_fence;
operation_fn operation_start, operation_attach, operation_stop, operation_signal, operation_resize, operation_status;
operation_fn operation_archive_write, operation_archive_read, operation_archive_delete, operation_archive_list;
operation_fn operation_archive_usage;

/* Returns NULL for an unknown kind. */
operation_fn *operation_find(const char *kind);

/* Returns a member that is an id, or NULL with INVALID_SPEC. */
const char *open_id(const struct json *open, const char *key, struct failure *failure);
/*
 * Returns a member that is text without NUL bytes, or `fallback` if it is missing; NULL with
 * INVALID_SPEC.
 */
const char *open_text(const struct json *open, const char *key, const char *fallback, struct failure *failure);
int open_integer(const struct json *open, const char *key, int64_t least, int64_t most, int64_t fallback,
    int64_t *value, struct failure *failure);
int open_boolean(const struct json *open, const char *key, bool fallback, bool *value, struct failure *failure);

/* Sends a frame of this type with {}. */
int send_empty(struct session *session, enum frame_type type);
/* Sends ERROR for a failure. */
int send_error(struct session *session, const struct failure *failure);

#endif
