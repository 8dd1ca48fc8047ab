/* One attachment of a session to a process. */
#ifndef KW_ATTACH_H
#define KW_ATTACH_H

#include "process/output.h"
#include "process/process_link.h"
#include "serve/streams.h"

struct attach {
    struct process_link link;
    struct output output[2]; /* `first` and `end` are the last known offsets */
    struct output_reader reader[2];
    struct sending sending[2];
    struct receiving receiving;
    struct compressor compressor;
    struct expander expander;
    uint8_t *buffer; /* DATA_RAW_MAX bytes */
    bool feeds;       /* the host feeds stdin */
    bool delivers;    /* the host receives the output */
    bool input_ended;
    bool owns;        /* stdin, as last reported to the host */
    bool restarts;    /* the next DATA is the first since it became the owner again */
    int64_t turn;     /* of the owner of stdin */
    uint64_t barrier; /* stdin before the answer to this PING belongs to an earlier turn */
    bool disk_full;   /* as last reported to the host */
};

/* Copies the offsets of the output from the link. */
void attach_take_state(struct attach *attach);
/* Handles all available messages of the host; -1 ends the operation. */
int attach_take_messages(struct session *session, struct attach *attach);
/* Reports ownership of stdin, credit for it, and a full disk. */
int attach_report(struct session *session, struct attach *attach);
/* Sends at most one frame of each stream: 1 if one was sent, 0, -1. */
int attach_deliver(struct session *session, struct attach *attach);

#endif
