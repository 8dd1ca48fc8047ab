/* Compresses the bytes of DATA: one independent zstd frame each, if that saves space. */
#ifndef KW_COMPRESS_H
#define KW_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

enum { COMPRESS_MIN = 512, COMPRESS_SKIP_MAX = 32 };

struct compressor {
    void *context;
    uint8_t *bytes;
    /* number of frames to send uncompressed after an unsuccessful attempt */
    unsigned skip, skipped;
};

/* Returns the length of `compressor->bytes` if compression saves at least a tenth, else 0. */
size_t compress(struct compressor *compressor, const uint8_t *bytes, size_t length);
void compressor_free(struct compressor *compressor);

struct expander {
    void *context;
    uint8_t *bytes;
};

/* Returns the raw bytes of a DATA frame, or NULL if they do not expand to exactly raw_length. */
const uint8_t *expand(struct expander *expander, const struct data_frame *data);
void expander_free(struct expander *expander);

#endif
