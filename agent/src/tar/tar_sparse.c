/* Sparse maps: the parts of a file that an archive holds. */
#include <stdlib.h>
#include <string.h>

#include "tar/tar_format.h"

/* 4 MiB of memory; GNU tar writes one segment for each piece between two holes. */
#define SEGMENTS_MAX (256u * 1024u)

void tar_sparse_clear(struct tar_sparse *sparse) {
    sparse->count = 0;
    sparse->real_size = 0;
    sparse->pending = -1;
}

void tar_sparse_free(struct tar_sparse *sparse) {
    free(sparse->segments);
    sparse->segments = NULL;
    sparse->count = sparse->capacity = 0;
}

int tar_sparse_add(struct tar_sparse *sparse, int64_t offset, int64_t length, struct failure *failure) {
    if (offset < 0 || length < 0 || offset > INT64_MAX - length) {
        return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's map has a number out of range");
    }
    if (sparse->count == sparse->capacity) {
        if (sparse->count >= SEGMENTS_MAX) {
            return fail(failure, "UNSUPPORTED_ENTRY", "a sparse file has more than %u segments", SEGMENTS_MAX);
        }
        size_t capacity = sparse->capacity == 0 ? 64 : sparse->capacity * 2;
        struct tar_segment *grown = realloc(sparse->segments, capacity * sizeof *grown);
        if (grown == NULL) {
            return fail(failure, "IO_ERROR", "no memory for a sparse file's map");
        }
        sparse->segments = grown;
        sparse->capacity = capacity;
    }
    sparse->segments[sparse->count++] = (struct tar_segment){offset, length};
    return 0;
}

int tar_sparse_number(struct tar_sparse *sparse, int64_t number, struct failure *failure) {
    if (sparse->pending < 0) {
        sparse->pending = number;
        return 0;
    }
    int64_t offset = sparse->pending;
    sparse->pending = -1;
    return tar_sparse_add(sparse, offset, number, failure);
}

int tar_sparse_fields(struct tar_sparse *sparse, const uint8_t *fields, size_t slots, struct failure *failure) {
    for (size_t i = 0; i < slots; i++, fields += 24) {
        int64_t offset = 0;
        int64_t length = 0;
        if (fields[0] == '\0' && fields[12] == '\0') {
            return 0;
        }
        if (!tar_number(fields, 12, &offset) || !tar_number(fields + 12, 12, &length)) {
            return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's map has a number that cannot be read");
        }
        if (tar_sparse_add(sparse, offset, length, failure) != 0) {
            return -1;
        }
    }
    return 0;
}

int tar_sparse_check(const struct tar_sparse *sparse, int64_t stored, struct failure *failure) {
    int64_t end = 0;
    int64_t sum = 0;
    bool good = sparse->pending < 0 && sparse->real_size >= 0;
    for (size_t i = 0; good && i < sparse->count; i++) {
        const struct tar_segment *segment = &sparse->segments[i];
        good = segment->offset >= end && segment->length <= stored - sum;
        if (good) {
            end = segment->offset + segment->length;
            sum += segment->length;
        }
    }
    if (!good || end > sparse->real_size || sum != stored) {
        return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's map does not match its content");
    }
    return 0;
}
