/* The frames of docs/agent-protocol.md 1, as pure functions over bytes. */
#ifndef KW_FRAME_H
#define KW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_OPEN = 2,
    FRAME_OPENED = 3,
    FRAME_DATA = 4,
    FRAME_WINDOW = 5,
    FRAME_END = 6,
    FRAME_PROGRESS = 7,
    FRAME_RESULT = 8,
    FRAME_ERROR = 9,
    FRAME_SIGNAL = 10,
    FRAME_RESIZE = 11,
    FRAME_STOP = 12,
    FRAME_CANCEL = 13,
    FRAME_PING = 14,
    FRAME_PONG = 15,
    FRAME_DONE = 16,
    FRAME_BYE = 17
};

enum frame_flag { FLAG_MORE = 1, FLAG_ZSTD = 2, FLAG_DURABLE = 4, FLAG_PROVEN = 8 };

enum {
    FRAME_HEADER = 8,
    FRAME_PAYLOAD_MAX = 262176,
    FRAME_MAX = FRAME_HEADER + FRAME_PAYLOAD_MAX,
    DATA_HEADER = 16,
    DATA_RAW_MAX = 262144,
    WINDOW_PAYLOAD = 24,
    END_PAYLOAD = 48,
    PING_PAYLOAD = 8,
    JSON_TEXT_MAX = 4 * 1024 * 1024
};

struct frame {
    uint8_t type;
    uint8_t flags;
    uint32_t length;
    const uint8_t *payload; /* inside the caller's buffer */
};

struct data_frame {
    uint8_t stream;
    bool zstd;
    uint32_t raw_length;
    uint64_t offset;
    const uint8_t *bytes;
    uint32_t length;
};

struct window_frame {
    uint8_t stream;
    bool durable;
    uint64_t acknowledged;
    uint64_t limit;
};

struct end_frame {
    uint8_t stream;
    bool proven; /* the encoding of the source has proven that no bytes are missing */
    uint64_t total;
    uint8_t digest[32];
};

/*
 * Decodes the first frame of `bytes`. Returns its length including the header, 0 if bytes are
 * missing, or -1 with a literal in `problem` if no host sends such a frame. Checks type, direction,
 * flags, reserved bytes and fixed lengths.
 */
int64_t frame_take(const uint8_t *bytes, size_t length, struct frame *frame, const char **problem);
bool frame_is_json(uint8_t type);

/* Each returns NULL, or a literal that describes the problem. */
const char *data_parse(const struct frame *frame, struct data_frame *data);
const char *window_parse(const struct frame *frame, struct window_frame *window);
const char *end_parse(const struct frame *frame, struct end_frame *end);

void frame_header_put(uint8_t header[FRAME_HEADER], enum frame_type type, uint8_t flags, uint32_t length);
/* `head` receives the frame header and DATA's own header; the bytes follow. */
void data_head_put(uint8_t head[FRAME_HEADER + DATA_HEADER], uint8_t stream, bool zstd, uint32_t raw_length,
    uint64_t offset, uint32_t length);
void window_put(uint8_t frame[FRAME_HEADER + WINDOW_PAYLOAD], uint8_t stream, uint64_t acknowledged, uint64_t limit);
void end_put(uint8_t frame[FRAME_HEADER + END_PAYLOAD], uint8_t stream, uint64_t total, const uint8_t digest[32]);

#endif
