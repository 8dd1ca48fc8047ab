#include "serve/streams.h"

#include <string.h>

void sending_begin(struct sending *sending, uint8_t stream, uint64_t from) {
    memset(sending, 0, sizeof *sending);
    sending->stream = stream;
    sending->produced = sending->sent = sending->acknowledged = from;
    sha256_begin(&sending->hash);
}

int sending_window(struct session *session, struct sending *sending, const struct window_frame *window) {
    if (window->limit < sending->limit) {
        return session_violation(session, "a WINDOW whose limit decreases");
    }
    if (window->acknowledged > sending->sent) {
        return session_violation(session, "a WINDOW that acknowledges bytes that were not sent");
    }
    sending->limit = window->limit;
    if (window->acknowledged > sending->acknowledged) {
        sending->acknowledged = window->acknowledged;
    }
    return 0;
}

int sending_rewind(struct session *session, struct sending *sending, int64_t from) {
    if (from < 0 || (uint64_t)from < sending->acknowledged || (uint64_t)from > sending->produced) {
        return session_violation(session, "a stream cannot resume at the requested offset");
    }
    sending->sent = sending->acknowledged = (uint64_t)from;
    sending->ended = false;
    return 0;
}

size_t sending_room(const struct sending *sending) {
    if (sending->limit <= sending->sent) {
        return 0;
    }
    uint64_t room = sending->limit - sending->sent;
    return room < DATA_RAW_MAX ? (size_t)room : DATA_RAW_MAX;
}

int sending_data(struct session *session, struct sending *sending, struct compressor *compressor, const uint8_t *bytes,
    size_t length) {
    uint8_t head[FRAME_HEADER + DATA_HEADER];
    if (sending->sent == sending->produced) {
        sha256_add(&sending->hash, bytes, length);
        sending->produced += length;
    }
    size_t compressed = compress(compressor, bytes, length);
    uint32_t on_wire = (uint32_t)(compressed > 0 ? compressed : length);
    data_head_put(head, sending->stream, compressed > 0, (uint32_t)length, sending->sent, on_wire);
    sending->sent += length;
    return session_write_two(session, head, sizeof head, compressed > 0 ? compressor->bytes : bytes, on_wire);
}

int sending_end(struct session *session, struct sending *sending) {
    uint8_t frame[FRAME_HEADER + END_PAYLOAD], digest[32];
    sha256_digest(&sending->hash, digest);
    end_put(frame, sending->stream, sending->sent, digest);
    sending->ended = true;
    return session_write(session, frame, sizeof frame);
}

void receiving_begin(struct receiving *receiving, uint64_t from) {
    memset(receiving, 0, sizeof *receiving);
    receiving->received = receiving->acknowledged = from;
    sha256_begin(&receiving->hash);
}

const uint8_t *receiving_data(
    struct session *session, struct receiving *receiving, struct expander *expander, const struct data_frame *data) {
    const char *problem = NULL;
    if (receiving->ended) {
        problem = "DATA after END";
    } else if (data->offset != receiving->received) {
        problem = "DATA that does not continue the stream";
    } else if (!receiving->granted || data->offset + data->raw_length > receiving->limit) {
        problem = "DATA beyond the window";
    }
    const uint8_t *bytes = problem == NULL ? expand(expander, data) : NULL;
    if (problem == NULL && bytes == NULL) {
        problem = "DATA that does not expand to its length";
    }
    if (problem != NULL) {
        session_violation(session, problem);
        return NULL;
    }
    sha256_add(&receiving->hash, bytes, data->raw_length);
    receiving->received += data->raw_length;
    return bytes;
}

int receiving_end(struct session *session, struct receiving *receiving, const struct end_frame *end) {
    uint8_t digest[32];
    if (receiving->ended) {
        return session_violation(session, "END after END");
    }
    receiving->ended = true;
    receiving->proven = end->proven;
    sha256_digest(&receiving->hash, digest);
    if (end->total != receiving->received) {
        return fail(&session->failure, "DIGEST_MISMATCH", "the host sent %llu bytes, but %llu arrived",
            (unsigned long long)end->total, (unsigned long long)receiving->received);
    }
    if (memcmp(digest, end->digest, sizeof digest) != 0) {
        return fail(&session->failure, "DIGEST_MISMATCH", "the digest of the received bytes differs from the host's");
    }
    return 0;
}

int receiving_grant(struct session *session, struct receiving *receiving, uint64_t acknowledged, uint64_t limit) {
    uint8_t frame[FRAME_HEADER + WINDOW_PAYLOAD];
    receiving->granted = true;
    receiving->acknowledged = acknowledged;
    if (limit > receiving->limit) {
        receiving->limit = limit;
    }
    window_put(frame, 0, acknowledged, receiving->limit);
    return session_write(session, frame, sizeof frame);
}
