/* Input of a host: each byte stream is split into frames, and each frame is decoded by its type. */
#include <stdlib.h>
#include <string.h>

#include "wire/compress.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_payload(const struct frame *frame, struct expander *expander) {
    struct data_frame data;
    struct window_frame window;
    struct end_frame end;
    if (frame->type == FRAME_DATA && data_parse(frame, &data) == NULL) {
        const uint8_t *raw = expand(expander, &data);
        volatile uint8_t last = raw == NULL ? 0 : raw[data.raw_length - 1];
        (void)last;
    } else if (frame->type == FRAME_WINDOW && window_parse(frame, &window) == NULL) {
        if (window.limit > INT64_MAX || window.stream == 0) {
            abort();
        }
    } else if (frame->type == FRAME_END && end_parse(frame, &end) == NULL) {
        if (end.total > INT64_MAX || end.stream != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct expander expander = {0};
    for (size_t at = 0;;) {
        struct frame frame;
        const char *problem = NULL;
        int64_t taken = frame_take(bytes + at, length - at, &frame, &problem);
        if (taken < 0 && problem == NULL) {
            abort();
        }
        if (taken <= 0) {
            break;
        }
        if ((size_t)taken > length - at || frame.length > FRAME_PAYLOAD_MAX) {
            abort();
        }
        read_payload(&frame, &expander);
        at += (size_t)taken;
    }
    expander_free(&expander);
    return 0;
}
