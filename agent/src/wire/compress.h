/* DATA's bytes: one independent zstd frame each, where that saves something. */
#ifndef KW_COMPRESS_H
#define KW_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

enum { COMPRESS_MIN = 512, COMPRESS_SKIP_MAX = 32 };

struct compressor {
    void *context;
    uint8_t *bytes;
    unsigned skip, skipped; /* after a try in vain, so many frames go as they are */
};

/* The length of `compressor->bytes` where compressing saves a tenth at least, else 0. */
size_t compress(struct compressor *compressor, const uint8_t *bytes, size_t length);
void compressor_free(struct compressor *compressor);

struct expander {
    void *context;
    uint8_t *bytes;
};

/* The raw bytes of a DATA frame (raw_length of them), or NULL where they do not expand to exactly that. */
const uint8_t *expand(struct expander *expander, const struct data_frame *data);
void expander_free(struct expander *expander);

#endif
