/*
 * The bytes of an upload: credit, offsets and the digest, over any number of connections, until
 * END. `feed` takes the bytes in order.
 */
#ifndef KW_INCOMING_H
#define KW_INCOMING_H

#include "serve/streams.h"
#include "transfer/transfer.h"

struct incoming {
    struct session *session;
    struct transfer transfer;
    struct receiving receiving;
    struct expander expander;
    /* 0, or -1 with `failure` */
    int (*feed)(void *context, const uint8_t *bytes, size_t length, struct failure *failure);
    void *context;
};

/* Acquires the id of the operation, like transfer_acquire_continuable. */
int incoming_acquire(struct incoming *incoming, const struct json *open);
/* Sends OPENED and the first credit, and takes all bytes. 0, or -1 with a failure or the loss. */
int incoming_take(struct incoming *incoming);
void incoming_free(struct incoming *incoming);

#endif
