#include "wire/compress.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { LEVEL = 1 };

size_t compress(struct compressor *compressor, const uint8_t *bytes, size_t length) {
    if (length < COMPRESS_MIN || length > DATA_RAW_MAX) {
        return 0;
    }
    if (compressor->skipped < compressor->skip) {
        compressor->skipped++;
        return 0;
    }
    if (compressor->context == NULL) {
        compressor->context = ZSTD_createCCtx();
    }
    if (compressor->bytes == NULL) {
        compressor->bytes = malloc(DATA_RAW_MAX);
    }
    if (compressor->context == NULL || compressor->bytes == NULL) {
        return 0;
    }
    /* A destination that is a tenth smaller ends an unsuccessful attempt early. */
    size_t made = ZSTD_compressCCtx(compressor->context, compressor->bytes, length - length / 10, bytes, length, LEVEL);
    compressor->skipped = 0;
    if (!ZSTD_isError(made)) {
        compressor->skip = 0;
        return made;
    }
    compressor->skip = compressor->skip == 0                      ? 1
                       : compressor->skip * 2 > COMPRESS_SKIP_MAX ? COMPRESS_SKIP_MAX
                                                                  : compressor->skip * 2;
    return 0;
}

void compressor_free(struct compressor *compressor) {
    ZSTD_freeCCtx(compressor->context);
    free(compressor->bytes);
    memset(compressor, 0, sizeof *compressor);
}

const uint8_t *expand(struct expander *expander, const struct data_frame *data) {
    if (!data->zstd) {
        return data->bytes;
    }
    if (expander->context == NULL) {
        expander->context = ZSTD_createDCtx();
    }
    if (expander->bytes == NULL) {
        expander->bytes = malloc(DATA_RAW_MAX);
    }
    if (expander->context == NULL || expander->bytes == NULL) {
        return NULL;
    }
    size_t made = ZSTD_decompressDCtx(expander->context, expander->bytes, data->raw_length, data->bytes, data->length);
    return !ZSTD_isError(made) && made == data->raw_length ? expander->bytes : NULL;
}

void expander_free(struct expander *expander) {
    ZSTD_freeDCtx(expander->context);
    free(expander->bytes);
    memset(expander, 0, sizeof *expander);
}
