/* One attachment of a session to a process. */
#ifndef KW_ATTACH_H
#define KW_ATTACH_H

#include "process/output.h"
#include "process/process_link.h"
#include "serve/streams.h"

struct attach {
    struct process_link link;
    struct output output[2]; /* first and end as they are known now */
    struct output_reader reader[2];
    struct sending sending[2];
    struct receiving receiving;
    struct compressor compressor;
    struct expander expander;
    uint8_t *buffer; /* DATA_RAW_MAX bytes */
    bool feeds;       /* wants to feed stdin */
    bool delivers;    /* wants the output */
    bool input_ended;
    bool owns;        /* stdin, as the host was told */
    bool restarts;    /* the next DATA is the first since it came to own stdin again */
    int64_t turn;     /* of the owner of stdin */
    uint64_t barrier; /* stdin that comes before the answer to this PING is of an earlier turn */
    bool disk_full;   /* as the host was told */
};

/* Copies from the link what it knows of the output now. */
void attach_take_state(struct attach *attach);
/* Deals with all messages of the host that are here; -1 ends the operation. */
int attach_take_messages(struct session *session, struct attach *attach);
/* Credit for stdin, and a full disk. */
int attach_report(struct session *session, struct attach *attach);
/* Sends at most a frame of each stream: 1 when something was sent, 0, -1. */
int attach_deliver(struct session *session, struct attach *attach);

#endif
