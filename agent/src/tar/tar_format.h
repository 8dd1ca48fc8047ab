/* The tar format, as the reader and the writer share it. */
#ifndef KW_TAR_FORMAT_H
#define KW_TAR_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/failure.h"
#include "volume/beneath.h"

#define TAR_BLOCK 512u

/* Offset and length of each header field. */
#define TAR_NAME 0, 100
#define TAR_MODE 100, 8
#define TAR_UID 108, 8
#define TAR_GID 116, 8
#define TAR_SIZE 124, 12
#define TAR_MTIME 136, 12
#define TAR_CHECKSUM 148, 8
#define TAR_TYPE 156
#define TAR_LINK 157, 100
#define TAR_MAGIC 257
#define TAR_PREFIX 345, 155

/* The largest id that a file can have; chown takes the next one as "unchanged". */
#define TAR_ID_MAX (UINT32_MAX - 1)

/*
 * The longest name in an archive: a path within PATH_LENGTH_MAX with a leading "./" and a trailing
 * slash.
 */
#define TAR_NAME_MAX (PATH_LENGTH_MAX + 3)

enum tar_kind { TAR_FILE, TAR_HARD_LINK, TAR_SYMLINK, TAR_FOLDER };

/* Returns the padding between content of `size` bytes and the next block. */
static inline size_t tar_padding(int64_t size) {
    return (TAR_BLOCK - (size_t)(size % TAR_BLOCK)) % TAR_BLOCK;
}

/* Copies a name or link of an entry and adds a NUL; UNSUPPORTED_ENTRY if it is too long. */
int tar_copy_name(char to[TAR_NAME_MAX + 1], const char *from, size_t length, struct failure *failure);

/* One entry, with all its headers merged. */
struct tar_entry {
    enum tar_kind kind;
    const char *name;   /* as in the archive, at most TAR_NAME_MAX bytes */
    const char *target; /* of a link */
    uint32_t mode;      /* at most 07777 */
    int64_t uid; /* -1: the archive has none that is valid for a file */
    int64_t gid;
    struct timespec mtime;
    int64_t size; /* of a file's content, holes included */
};

/* The fields of a header block, before pax records and long names. */
struct tar_header {
    char type;
    char name[256 + 1];
    char link[100 + 1];
    uint32_t mode;
    int64_t uid;
    int64_t gid;
    int64_t size;
    int64_t mtime;
};

/* ---- tar_header.c */
/*
 * Reads a number field: octal text that ends at a blank, or GNU base-256. Returns false if it is
 * neither or does not fit. An empty field is 0.
 */
bool tar_number(const uint8_t *field, size_t length, int64_t *value);
/* Verifies the checksum and decodes the fields. */
int tar_header_decode(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct failure *failure);

/* ---- tar_sparse.c */
struct tar_segment {
    int64_t offset;
    int64_t length;
};

/* The map of a sparse file, which grows while it is read. */
struct tar_sparse {
    struct tar_segment *segments;
    size_t count;
    size_t capacity;
    int64_t real_size;
    int64_t pending; /* pax: an offset whose length has not arrived yet, or -1 */
};

void tar_sparse_clear(struct tar_sparse *sparse);
void tar_sparse_free(struct tar_sparse *sparse);
int tar_sparse_add(struct tar_sparse *sparse, int64_t offset, int64_t length, struct failure *failure);
/* Adds one number of a map that alternates offsets and lengths. */
int tar_sparse_number(struct tar_sparse *sparse, int64_t number, struct failure *failure);
/* Adds `slots` pairs of 12-byte fields of the old GNU format. */
int tar_sparse_fields(struct tar_sparse *sparse, const uint8_t *fields, size_t slots, struct failure *failure);
/* Checks that the segments ascend, fit and have `stored` bytes in all. */
int tar_sparse_check(const struct tar_sparse *sparse, int64_t stored, struct failure *failure);

/* ---- tar_time.c */
/*
 * Parses a decimal number of seconds. Truncates it to nanoseconds towards the past and to the range
 * of int64_t. Returns false for anything else.
 */
bool tar_time(const char *text, size_t length, struct timespec *time);

/* ---- tar_pax.c */
#define PAX_PATH 1u
#define PAX_LINK 2u
#define PAX_SIZE 4u
#define PAX_UID 8u
#define PAX_GID 16u
#define PAX_MTIME 32u
#define PAX_SPARSE 64u       /* any GNU.sparse record */
#define PAX_SPARSE_MAP 128u  /* the map is in the records (0.0, 0.1) */
#define PAX_SPARSE_NAME 256u /* `sparse_name` is the name of the file */
#define PAX_SPARSE_SIZE 512u

struct tar_pax {
    unsigned set;
    char path[TAR_NAME_MAX + 1];
    char sparse_name[TAR_NAME_MAX + 1];
    char link[TAR_NAME_MAX + 1];
    int64_t size;
    int64_t uid;
    int64_t gid;
    struct timespec mtime;
    int64_t sparse_major;
    int64_t sparse_minor;
};

/*
 * Reads the records of one extended header into `pax`, and a sparse map into `sparse` (NULL for a
 * global header). Ignores times and ids that cannot be read; an id out of range becomes -1.
 */
int tar_pax_decode(
    const uint8_t *bytes, size_t length, struct tar_pax *pax, struct tar_sparse *sparse, struct failure *failure);

/* ---- tar_read.c */
/* The callbacks of the reader; each returns 0, or -1 with `failure` set. */
struct tar_sink {
    int (*entry)(void *context, const struct tar_entry *entry, struct failure *failure);
    /* Content of the current file, in ascending order; gaps between the pieces are holes. */
    int (*content)(void *context, int64_t offset, const uint8_t *bytes, size_t length, struct failure *failure);
    int (*end)(void *context, struct failure *failure);
};

struct tar_reader;
struct tar_reader *tar_reader_open(const struct tar_sink *sink, void *context, struct failure *failure);
int tar_reader_feed(struct tar_reader *reader, const uint8_t *bytes, size_t length, struct failure *failure);
/*
 * Fails with TRUNCATED_ARCHIVE unless a closing block has arrived. With `proven`, the encoding of
 * the archive has proven that no bytes are missing, so that the archive may also end after a
 * complete entry.
 */
int tar_reader_finish(struct tar_reader *reader, bool proven, struct failure *failure);
void tar_reader_close(struct tar_reader *reader);

/* ---- tar_write.c */
/*
 * The longest header that tar_header_encode writes: a pax header, its records and the entry's own
 * block.
 */
#define TAR_HEADER_MAX (32u * TAR_BLOCK)
/*
 * Encodes the header blocks of an entry. Returns 0 if they do not fit, which cannot happen for a
 * name and target within TAR_NAME_MAX.
 */
size_t tar_header_encode(const struct tar_entry *entry, uint8_t *blocks, size_t capacity);

#endif
