#include "wire/frame.h"

#include <string.h>

#include "base/bytes.h"

struct frame_rule {
    bool from_host;
    uint8_t flags;      /* the allowed flags */
    uint32_t at_least;  /* payload bytes */
    uint32_t at_most;
};

static const struct frame_rule RULES[] = {
    [FRAME_HELLO] = {true, FLAG_MORE, 0, FRAME_PAYLOAD_MAX},
    [FRAME_OPEN] = {true, FLAG_MORE, 0, FRAME_PAYLOAD_MAX},
    [FRAME_DATA] = {true, FLAG_ZSTD, DATA_HEADER + 1, FRAME_PAYLOAD_MAX},
    [FRAME_WINDOW] = {true, FLAG_DURABLE, WINDOW_PAYLOAD, WINDOW_PAYLOAD},
    [FRAME_END] = {true, FLAG_PROVEN, END_PAYLOAD, END_PAYLOAD},
    [FRAME_SIGNAL] = {true, FLAG_MORE, 0, FRAME_PAYLOAD_MAX},
    [FRAME_RESIZE] = {true, FLAG_MORE, 0, FRAME_PAYLOAD_MAX},
    [FRAME_STOP] = {true, FLAG_MORE, 0, FRAME_PAYLOAD_MAX},
    [FRAME_CANCEL] = {true, 0, 0, 0},
    [FRAME_PING] = {true, 0, PING_PAYLOAD, PING_PAYLOAD},
    [FRAME_PONG] = {true, 0, PING_PAYLOAD, PING_PAYLOAD},
    [FRAME_DONE] = {true, 0, 0, 0},
    [FRAME_BYE] = {true, 0, 0, 0},
};

bool frame_is_json(uint8_t type) {
    return type == FRAME_HELLO || type == FRAME_OPEN || type == FRAME_SIGNAL || type == FRAME_RESIZE ||
           type == FRAME_STOP;
}

int64_t frame_take(const uint8_t *bytes, size_t length, struct frame *frame, const char **problem) {
    if (length < FRAME_HEADER) {
        return 0;
    }
    uint8_t type = bytes[0];
    uint32_t payload = get_u32(bytes + 4);
    *problem = NULL;
    if (type == 0 || type > FRAME_BYE) {
        *problem = "a frame of an unknown type";
    } else if (!RULES[type].from_host) {
        *problem = "a frame that only the agent sends";
    } else if ((bytes[1] & ~RULES[type].flags) != 0) {
        *problem = "a frame with an unknown flag";
    } else if (bytes[2] != 0 || bytes[3] != 0) {
        *problem = "a frame whose reserved bytes are not 0";
    } else if (payload > FRAME_PAYLOAD_MAX) {
        *problem = "a frame that is too long";
    } else if (payload < RULES[type].at_least || payload > RULES[type].at_most) {
        *problem = "a frame whose length does not fit its type";
    }
    if (*problem != NULL) {
        return -1;
    }
    if (length - FRAME_HEADER < payload) {
        return 0;
    }
    frame->type = type;
    frame->flags = bytes[1];
    frame->length = payload;
    frame->payload = bytes + FRAME_HEADER;
    return (int64_t)FRAME_HEADER + payload;
}

const char *data_parse(const struct frame *frame, struct data_frame *data) {
    const uint8_t *at = frame->payload;
    data->stream = at[0];
    data->zstd = (frame->flags & FLAG_ZSTD) != 0;
    data->raw_length = get_u32(at + 4);
    data->offset = get_u64(at + 8);
    data->bytes = at + DATA_HEADER;
    data->length = frame->length - DATA_HEADER;
    if (data->stream != 0) {
        return "DATA of a stream that the host does not send";
    }
    if (!bytes_are_zero(at + 1, 3)) {
        return "DATA whose reserved bytes are not 0";
    }
    if (data->raw_length == 0 || data->raw_length > DATA_RAW_MAX) {
        return "DATA of an impossible length";
    }
    if (!data->zstd && data->length != data->raw_length) {
        return "DATA whose lengths differ";
    }
    if (data->offset > INT64_MAX - DATA_RAW_MAX) {
        return "DATA at an impossible offset";
    }
    return NULL;
}

const char *window_parse(const struct frame *frame, struct window_frame *window) {
    const uint8_t *at = frame->payload;
    window->stream = at[0];
    window->durable = (frame->flags & FLAG_DURABLE) != 0;
    window->acknowledged = get_u64(at + 8);
    window->limit = get_u64(at + 16);
    if (window->stream != 1 && window->stream != 2) {
        return "WINDOW of a stream that the host does not receive";
    }
    if (!bytes_are_zero(at + 1, 7)) {
        return "WINDOW whose reserved bytes are not 0";
    }
    if (window->limit > INT64_MAX) {
        return "WINDOW with an impossible limit";
    }
    return NULL;
}

const char *end_parse(const struct frame *frame, struct end_frame *end) {
    const uint8_t *at = frame->payload;
    end->stream = at[0];
    end->proven = (frame->flags & FLAG_PROVEN) != 0;
    end->total = get_u64(at + 8);
    memcpy(end->digest, at + 16, sizeof end->digest);
    if (end->stream != 0) {
        return "END of a stream that the host does not send";
    }
    if (!bytes_are_zero(at + 1, 7)) {
        return "END whose reserved bytes are not 0";
    }
    if (end->total > INT64_MAX) {
        return "END with an impossible length";
    }
    return NULL;
}

void frame_header_put(uint8_t header[FRAME_HEADER], enum frame_type type, uint8_t flags, uint32_t length) {
    header[0] = (uint8_t)type;
    header[1] = flags;
    header[2] = 0;
    header[3] = 0;
    put_u32(header + 4, length);
}

void data_head_put(uint8_t head[FRAME_HEADER + DATA_HEADER], uint8_t stream, bool zstd, uint32_t raw_length,
    uint64_t offset, uint32_t length) {
    frame_header_put(head, FRAME_DATA, zstd ? FLAG_ZSTD : 0, DATA_HEADER + length);
    put_u32(head + 8, stream);
    put_u32(head + 12, raw_length);
    put_u64(head + 16, offset);
}

void window_put(uint8_t frame[FRAME_HEADER + WINDOW_PAYLOAD], uint8_t stream, uint64_t acknowledged, uint64_t limit) {
    frame_header_put(frame, FRAME_WINDOW, 0, WINDOW_PAYLOAD);
    put_u64(frame + 8, stream);
    put_u64(frame + 16, acknowledged);
    put_u64(frame + 24, limit);
}

void end_put(uint8_t frame[FRAME_HEADER + END_PAYLOAD], uint8_t stream, uint64_t total, const uint8_t digest[32]) {
    frame_header_put(frame, FRAME_END, 0, END_PAYLOAD);
    put_u64(frame + 8, stream);
    put_u64(frame + 16, total);
    memcpy(frame + 24, digest, 32);
}
