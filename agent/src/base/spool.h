/*
 * A log of bytes of any length with a bounded amount of memory: what doesn't fit goes to an unlinked file, or where
 * none can be written (a volume that is read-only, a full disk) to some more memory, and then fails.
 */
#ifndef KW_SPOOL_H
#define KW_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct spool {
    int folder; /* where the file is made when it is needed; the caller's */
    int file;   /* -1: none yet */
    uint8_t *buffer;
    size_t filled;
    size_t capacity;
    uint64_t flushed; /* bytes in the file; the buffer continues there */
};

/* Allocates nothing yet. */
void spool_open(struct spool *spool, int folder);
int spool_append(struct spool *spool, const void *bytes, size_t length, struct failure *failure);
uint64_t spool_length(const struct spool *spool);
/* Reads exactly `length` bytes that were appended in one piece at `offset`. */
int spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t length, struct failure *failure);
void spool_close(struct spool *spool);

/* A file without a name in `folder`, open for reading and writing; -1 with errno. */
int unnamed_file(int folder);

#endif
