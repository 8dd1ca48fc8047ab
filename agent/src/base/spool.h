/*
 * A log of bytes of any length with bounded memory. Bytes beyond the bound go to an unlinked file.
 * Where no file can be written (a read-only volume, a full disk), the log uses some more memory and
 * then fails.
 */
#ifndef KW_SPOOL_H
#define KW_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct spool {
    int folder; /* the folder of the file, which is created on demand; owned by the caller */
    int file;   /* -1: none yet */
    uint8_t *buffer;
    size_t filled;
    size_t capacity;
    uint64_t flushed; /* bytes in the file, which precede those in the buffer */
};

/* Allocates nothing. */
void spool_open(struct spool *spool, int folder);
int spool_append(struct spool *spool, const void *bytes, size_t length, struct failure *failure);
uint64_t spool_length(const struct spool *spool);
/* Reads exactly `length` bytes at `offset`, which were appended in one piece. */
int spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t length, struct failure *failure);
void spool_close(struct spool *spool);

/* Creates a file without a name in `folder`, open for reading and writing; -1 with errno. */
int unnamed_file(int folder);

#endif
