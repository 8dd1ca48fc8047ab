/* What receive, send and copy have in common: the claim on their id, and going on over another connection where one is
 * lost. */
#ifndef KW_TRANSFER_H
#define KW_TRANSFER_H

#include "serve/operation.h"
#include "transfer/volume_folder.h"

enum { PATH_BYTES = 4096 };
/* A day. */
enum { LEASE_MS_MAX = 24 * 60 * 60 * 1000 };

struct transfer {
    struct session *session;
    const char *id;
    int64_t attempt;
    int64_t lease_ms; /* how long it waits without a connection, 0: not at all */
    int64_t from;     /* of OPEN: up to where the host has received */
    bool continues;   /* the host has seen OPENED before */
    bool holds_disk;
    /* Answers OPEN on another connection than the first: OPENED and credit. 0, or -1 with the connection lost again or
     * violated. */
    int (*opened)(void *context);
    void *context;
};

/* Reads what OPEN says of these, and claims the id for an operation that ends with its connection. */
int transfer_claim(struct session *session, const struct json *open, struct transfer *transfer);
/*
 * The same for one that can go on: 1 where it is to be begun; 0 where there is nothing to go on with (`failure` says
 * why, what was stored of it may be asked for); -1 as ever, or because the connection belongs to another session now.
 */
int transfer_claim_continuable(struct session *session, const struct json *open, struct transfer *transfer);
/* A path in a volume, in its normal form. */
int transfer_path(struct session *session, const struct json *open, const char *key, char path[PATH_BYTES]);

/* The connection is lost: waits for the next, for as long as the lease is. 0 when it is there and OPEN is answered; -1:
 * the operation is over. */
int transfer_resume(struct transfer *transfer);
/* Sends RESULT by `answer`, or ERROR where `result` is -1, until the host has taken it, over as many connections as it
 * takes. An operation_end. */
int transfer_answer(struct transfer *transfer, int result, int (*answer)(void *context));
/* Commits what is staged, answering pings meanwhile. */
int transfer_commit(struct transfer *transfer, struct volume_folder *volume, const char *path);

#endif
