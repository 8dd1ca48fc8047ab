/*
 * The bytes of a download: credit, offsets, the digest, and the bytes that a lost connection makes
 * necessary again. The source produces each byte once.
 */
#ifndef KW_OUTGOING_H
#define KW_OUTGOING_H

#include "serve/streams.h"
#include "transfer/replay.h"
#include "transfer/transfer.h"

struct outgoing {
    struct session *session;
    struct transfer transfer;
    struct sending sending;
    struct compressor compressor;
    struct replay replay;
    bool read; /* the end of the source was reached */
    /* Returns the number of bytes, 0 at the end, or -1 with `failure`. */
    int64_t (*source)(void *context, uint8_t *bytes, size_t capacity, struct failure *failure);
    /* Add the source's own members to OPENED and to RESULT. */
    void (*put_opened)(const void *context, struct json_out *out);
    void (*put_result)(const void *context, struct json_out *out);
    void *context;
};

/* Acquires the id of the operation, like transfer_acquire_continuable. */
int outgoing_acquire(struct outgoing *outgoing, const struct json *open);
/* Reads the credit of OPEN, and allocates the bytes to keep. */
int outgoing_begin(struct outgoing *outgoing, const struct json *open);
/*
 * Sends OPENED, the bytes, END and RESULT, or ERROR if `result` is -1, until the host has
 * acknowledged the outcome. Releases the id, and returns an operation_end.
 */
int outgoing_answer(struct outgoing *outgoing, int result);
void outgoing_free(struct outgoing *outgoing);

#endif
