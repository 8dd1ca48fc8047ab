/*
 * Reads a tar archive in pieces of any size: finds the entries, merges their headers and calls a
 * sink.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tar/tar_format.h"

#define PAX_BYTES_MAX (1024 * 1024)

enum state { IN_HEADER, IN_META, IN_SPARSE_BLOCKS, IN_SPARSE_MAP, IN_CONTENT, IN_PADDING, AT_END, BROKEN };

struct tar_reader {
    const struct tar_sink *sink;
    void *context;
    enum state state;
    bool has_entries;
    bool lacks_entry; /* the entry of the last extended header or long name has not arrived */
    int zero_blocks;
    uint8_t block[TAR_BLOCK];
    size_t filled; /* bytes in `block` */
    uint8_t *meta; /* the payload of an extended header or a long name */
    size_t meta_capacity;
    size_t meta_size;
    size_t meta_filled;
    int64_t remaining; /* stored bytes of the entry that have not arrived */
    size_t padding;
    struct tar_header header;
    bool has_long_name;
    bool has_long_link;
    char long_name[TAR_NAME_MAX + 1];
    char long_link[TAR_NAME_MAX + 1];
    struct tar_pax global;
    struct tar_pax local;
    struct tar_sparse sparse;
    bool is_sparse;
    int64_t map_left; /* numbers of a 1.0 map that have not arrived; -1: the count itself has not */
    int64_t map_number;
    size_t map_digits;
    size_t segment;         /* index of the segment that is being filled */
    int64_t position;       /* within the file, or the segment of a sparse file */
    struct tar_entry entry; /* whose content is being read */
};

struct tar_reader *tar_reader_open(const struct tar_sink *sink, void *context, struct failure *failure) {
    struct tar_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        fail(failure, "IO_ERROR", "no memory for reading an archive");
        return NULL;
    }
    reader->sink = sink;
    reader->context = context;
    tar_sparse_clear(&reader->sparse);
    return reader;
}

void tar_reader_close(struct tar_reader *reader) {
    if (reader == NULL) {
        return;
    }
    tar_sparse_free(&reader->sparse);
    free(reader->meta);
    free(reader);
}

static void skip(struct tar_reader *reader, size_t padding) {
    reader->padding = padding;
    reader->state = padding > 0 ? IN_PADDING : IN_HEADER;
}

static void forget_pax(struct tar_reader *reader) {
    reader->local.set = 0;
    reader->local.sparse_major = reader->local.sparse_minor = 0;
    tar_sparse_clear(&reader->sparse);
}

static const char *entry_name(const struct tar_reader *reader) {
    if ((reader->local.set & PAX_SPARSE_NAME) != 0) {
        return reader->local.sparse_name;
    }
    if ((reader->local.set & PAX_PATH) != 0) {
        return reader->local.path;
    }
    if (reader->has_long_name) {
        return reader->long_name;
    }
    if ((reader->global.set & PAX_PATH) != 0) {
        return reader->global.path;
    }
    return reader->header.name;
}

static const char *entry_link(const struct tar_reader *reader) {
    if ((reader->local.set & PAX_LINK) != 0) {
        return reader->local.link;
    }
    if (reader->has_long_link) {
        return reader->long_link;
    }
    if ((reader->global.set & PAX_LINK) != 0) {
        return reader->global.link;
    }
    return reader->header.link;
}

/* Returns the extended header that has `flag`, the entry's own first, or NULL. */
static const struct tar_pax *pax_with(const struct tar_reader *reader, unsigned flag) {
    if ((reader->local.set & flag) != 0) {
        return &reader->local;
    }
    return (reader->global.set & flag) != 0 ? &reader->global : NULL;
}

static int64_t stored_size(const struct tar_reader *reader) {
    const struct tar_pax *pax = pax_with(reader, PAX_SIZE);
    return pax == NULL ? reader->header.size : pax->size;
}

static int finish_entry(struct tar_reader *reader, struct failure *failure) {
    if (reader->entry.kind == TAR_FILE && reader->sink->end(reader->context, failure) != 0) {
        return -1;
    }
    tar_sparse_clear(&reader->sparse);
    reader->is_sparse = false;
    skip(reader, reader->padding);
    return 0;
}

/* Starts an entry whose headers are complete; `stored` bytes of content follow. */
static int begin_entry(struct tar_reader *reader, enum tar_kind kind, int64_t stored, struct failure *failure) {
    const struct tar_pax *uid = pax_with(reader, PAX_UID);
    const struct tar_pax *gid = pax_with(reader, PAX_GID);
    const struct tar_pax *mtime = pax_with(reader, PAX_MTIME);
    struct tar_entry *entry = &reader->entry;
    entry->kind = kind;
    entry->name = entry_name(reader);
    entry->target = entry_link(reader);
    entry->mode = reader->header.mode;
    entry->uid = uid == NULL ? reader->header.uid : uid->uid;
    entry->gid = gid == NULL ? reader->header.gid : gid->gid;
    entry->mtime = (struct timespec){.tv_sec = (time_t)reader->header.mtime};
    if (mtime != NULL) {
        entry->mtime = mtime->mtime;
    }
    if (reader->is_sparse && tar_sparse_check(&reader->sparse, stored, failure) != 0) {
        return -1;
    }
    entry->size = reader->is_sparse ? reader->sparse.real_size : stored;
    if (reader->sink->entry(reader->context, entry, failure) != 0) {
        return -1;
    }
    reader->has_entries = true;
    reader->lacks_entry = false;
    /* The names remain valid until the next header is read. */
    reader->local.set = 0;
    reader->local.sparse_major = reader->local.sparse_minor = 0;
    reader->has_long_name = reader->has_long_link = false;
    reader->remaining = stored;
    reader->padding = tar_padding(stored);
    reader->segment = 0;
    reader->position = 0;
    reader->state = IN_CONTENT;
    return stored == 0 ? finish_entry(reader, failure) : 0;
}

static int begin_meta(struct tar_reader *reader, int64_t longest, struct failure *failure) {
    int64_t size = reader->header.size;
    if (size > longest) {
        return fail(failure, "UNSUPPORTED_ENTRY",
            "an extended header has %lld bytes, and more than %lld are not supported", (long long)size,
            (long long)longest);
    }
    reader->meta_size = (size_t)size;
    reader->meta_filled = 0;
    reader->padding = tar_padding(size);
    if (reader->meta_size > reader->meta_capacity) {
        uint8_t *grown = realloc(reader->meta, reader->meta_size);
        if (grown == NULL) {
            return fail(failure, "IO_ERROR", "no memory for an extended header");
        }
        reader->meta = grown;
        reader->meta_capacity = reader->meta_size;
    }
    reader->state = IN_META;
    if (size == 0) {
        skip(reader, 0);
    }
    return 0;
}

static int take_long(const struct tar_reader *reader, char *to, struct failure *failure) {
    const char *text = (const char *)reader->meta;
    return tar_copy_name(to, text, strnlen(text, reader->meta_size), failure);
}

static int end_meta(struct tar_reader *reader, struct failure *failure) {
    int result = 0;
    switch (reader->header.type) {
    case 'L':
        result = take_long(reader, reader->long_name, failure);
        reader->has_long_name = true;
        break;
    case 'K':
        result = take_long(reader, reader->long_link, failure);
        reader->has_long_link = true;
        break;
    case 'g':
        result = tar_pax_decode(reader->meta, reader->meta_size, &reader->global, NULL, failure);
        break;
    default:
        result = tar_pax_decode(reader->meta, reader->meta_size, &reader->local, &reader->sparse, failure);
        break;
    }
    skip(reader, reader->padding);
    return result;
}

/* Starts a regular file with GNU.sparse records: locates its map and reads the rest of it. */
static int begin_pax_sparse(struct tar_reader *reader, struct failure *failure) {
    const struct tar_pax *pax = &reader->local;
    reader->is_sparse = true;
    if ((pax->set & PAX_SPARSE_SIZE) == 0) {
        return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's size is missing");
    }
    if ((pax->set & PAX_SPARSE_MAP) != 0) {
        return begin_entry(reader, TAR_FILE, stored_size(reader), failure);
    }
    if (pax->sparse_major != 1 || pax->sparse_minor != 0) {
        return fail(failure, "UNSUPPORTED_ENTRY", "a sparse file of format %lld.%lld", (long long)pax->sparse_major,
            (long long)pax->sparse_minor);
    }
    reader->remaining = stored_size(reader);
    reader->map_left = -1;
    reader->map_number = 0;
    reader->map_digits = 0;
    reader->state = IN_SPARSE_MAP;
    return 0;
}

static int begin_gnu_sparse(struct tar_reader *reader, const uint8_t *block, struct failure *failure) {
    reader->is_sparse = true;
    if (!tar_number(block + 483, 12, &reader->sparse.real_size)) {
        return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's size cannot be read");
    }
    if (tar_sparse_fields(&reader->sparse, block + 386, 4, failure) != 0) {
        return -1;
    }
    if (block[482] == 0) {
        return begin_entry(reader, TAR_FILE, stored_size(reader), failure);
    }
    reader->state = IN_SPARSE_BLOCKS;
    return 0;
}

static int sparse_block(struct tar_reader *reader, const uint8_t *block, struct failure *failure) {
    if (tar_sparse_fields(&reader->sparse, block, 21, failure) != 0) {
        return -1;
    }
    if (block[504] != 0) {
        return 0;
    }
    return begin_entry(reader, TAR_FILE, stored_size(reader), failure);
}

/*
 * Reads a block of a 1.0 map, which precedes the content: a count, then pairs, each number on its
 * own line.
 */
static int sparse_map_block(struct tar_reader *reader, const uint8_t *block, struct failure *failure) {
    if (reader->remaining < (int64_t)TAR_BLOCK) {
        return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's map is cut short");
    }
    reader->remaining -= TAR_BLOCK;
    for (size_t i = 0; i < TAR_BLOCK && reader->map_left != 0; i++) {
        if (block[i] >= '0' && block[i] <= '9' && reader->map_digits < 18) {
            reader->map_number = reader->map_number * 10 + (block[i] - '0');
            reader->map_digits++;
            continue;
        }
        if (block[i] != '\n' || reader->map_digits == 0) {
            return fail(failure, "CORRUPT_ARCHIVE", "a sparse file's map cannot be read");
        }
        if (reader->map_left < 0) {
            reader->map_left = reader->map_number * 2;
        } else {
            if (tar_sparse_number(&reader->sparse, reader->map_number, failure) != 0) {
                return -1;
            }
            reader->map_left--;
        }
        reader->map_number = 0;
        reader->map_digits = 0;
    }
    return reader->map_left == 0 ? begin_entry(reader, TAR_FILE, reader->remaining, failure) : 0;
}

static int begin_file(struct tar_reader *reader, struct failure *failure) {
    const char *name = entry_name(reader);
    size_t length = strlen(name);
    if ((reader->local.set & PAX_SPARSE) != 0) {
        return begin_pax_sparse(reader, failure);
    }
    /* Formats before ustar have no type for folders. */
    if (length > 0 && name[length - 1] == '/') {
        return begin_entry(reader, TAR_FOLDER, 0, failure);
    }
    return begin_entry(reader, TAR_FILE, stored_size(reader), failure);
}

static int unsupported(struct tar_reader *reader, struct failure *failure) {
    char type = reader->header.type;
    if (type == '3' || type == '4') {
        return fail(failure, "UNSUPPORTED_ENTRY", "an entry is a device");
    }
    if (type == '6') {
        return fail(failure, "UNSUPPORTED_ENTRY", "an entry is a fifo");
    }
    return fail(failure, "UNSUPPORTED_ENTRY", "an entry has the unknown type 0x%02x", (unsigned)(unsigned char)type);
}

static int closing_block(struct tar_reader *reader, struct failure *failure) {
    if (reader->local.set != 0 || reader->has_long_name || reader->has_long_link) {
        return fail(failure, "CORRUPT_ARCHIVE", "an extended header has no entry");
    }
    if (++reader->zero_blocks == 2) {
        reader->state = AT_END;
    }
    return 0;
}

static int header_block(struct tar_reader *reader, const uint8_t *block, struct failure *failure) {
    if (bytes_are_zero(block, TAR_BLOCK)) {
        return closing_block(reader, failure);
    }
    if (reader->zero_blocks > 0) {
        return fail(failure, "CORRUPT_ARCHIVE", "the archive continues after its end");
    }
    if (tar_header_decode(block, &reader->header, failure) != 0) {
        return -1;
    }
    switch (reader->header.type) {
    case 'x':
        /* An entry has one extended header; a second one replaces the first. */
        forget_pax(reader);
        reader->lacks_entry = true;
        return begin_meta(reader, PAX_BYTES_MAX, failure);
    case 'g':
        return begin_meta(reader, PAX_BYTES_MAX, failure);
    case 'L':
    case 'K':
        reader->lacks_entry = true;
        return begin_meta(reader, TAR_NAME_MAX + 1, failure);
    case '\0':
    case '0':
    case '7':
        return begin_file(reader, failure);
    case '1':
        return begin_entry(reader, TAR_HARD_LINK, 0, failure);
    case '2':
        return begin_entry(reader, TAR_SYMLINK, 0, failure);
    case '5':
        return begin_entry(reader, TAR_FOLDER, 0, failure);
    case 'S':
        return begin_gnu_sparse(reader, block, failure);
    default:
        return unsupported(reader, failure);
    }
}

static int whole_block(struct tar_reader *reader, const uint8_t *block, struct failure *failure) {
    int result = reader->state == IN_HEADER          ? header_block(reader, block, failure)
                 : reader->state == IN_SPARSE_BLOCKS ? sparse_block(reader, block, failure)
                                                     : sparse_map_block(reader, block, failure);
    return result == 0 ? 0 : fail_entry(failure, entry_name(reader));
}

static int content(struct tar_reader *reader, const uint8_t *bytes, size_t length, struct failure *failure) {
    int64_t offset = reader->position;
    if (reader->is_sparse) {
        const struct tar_segment *segment = &reader->sparse.segments[reader->segment];
        offset += segment->offset;
    }
    if (reader->sink->content(reader->context, offset, bytes, length, failure) != 0) {
        return -1;
    }
    reader->position += (int64_t)length;
    reader->remaining -= (int64_t)length;
    return reader->remaining == 0 ? finish_entry(reader, failure) : 0;
}

/*
 * Returns how many of `length` bytes are contiguous: within the content, and within the segment of
 * a sparse file.
 */
static size_t content_piece(struct tar_reader *reader, size_t length) {
    int64_t most = reader->remaining;
    if (reader->is_sparse) {
        /*
         * tar_sparse_check has verified that the segments hold exactly the stored bytes, so a
         * segment with room always exists.
         */
        while (reader->position == reader->sparse.segments[reader->segment].length) {
            reader->segment++;
            reader->position = 0;
        }
        int64_t room = reader->sparse.segments[reader->segment].length - reader->position;
        if (room < most) {
            most = room;
        }
    }
    return (uint64_t)most < length ? (size_t)most : length;
}

/* Consumes at least one of the `length` bytes; returns how many, or -1. */
static int64_t take(struct tar_reader *reader, const uint8_t *bytes, size_t length, struct failure *failure) {
    size_t part = length;
    switch (reader->state) {
    case AT_END:
        return (int64_t)length; /* padding of the last record */
    case IN_PADDING:
        if (part > reader->padding) {
            part = reader->padding;
        }
        skip(reader, reader->padding - part);
        return (int64_t)part;
    case IN_CONTENT:
        part = content_piece(reader, length);
        return content(reader, bytes, part, failure) == 0 ? (int64_t)part : -1;
    case IN_META:
        if (part > reader->meta_size - reader->meta_filled) {
            part = reader->meta_size - reader->meta_filled;
        }
        memcpy(reader->meta + reader->meta_filled, bytes, part);
        reader->meta_filled += part;
        return reader->meta_filled < reader->meta_size || end_meta(reader, failure) == 0 ? (int64_t)part : -1;
    default:
        break;
    }
    if (reader->filled == 0 && length >= TAR_BLOCK) {
        return whole_block(reader, bytes, failure) == 0 ? (int64_t)TAR_BLOCK : -1;
    }
    if (part > TAR_BLOCK - reader->filled) {
        part = TAR_BLOCK - reader->filled;
    }
    memcpy(reader->block + reader->filled, bytes, part);
    reader->filled += part;
    if (reader->filled < TAR_BLOCK) {
        return (int64_t)part;
    }
    reader->filled = 0;
    return whole_block(reader, reader->block, failure) == 0 ? (int64_t)part : -1;
}

int tar_reader_feed(struct tar_reader *reader, const uint8_t *bytes, size_t length, struct failure *failure) {
    while (length > 0) {
        if (reader->state == BROKEN) {
            return fail(failure, "IO_ERROR", "the archive has failed before");
        }
        int64_t taken = take(reader, bytes, length, failure);
        if (taken < 0) {
            reader->state = BROKEN;
            return -1;
        }
        bytes += taken;
        length -= (size_t)taken;
    }
    return 0;
}

/*
 * Returns whether the last entry is complete: content, padding and the entry of an extended header.
 */
static bool is_between_entries(const struct tar_reader *reader) {
    return reader->state == IN_HEADER && reader->filled == 0 && !reader->lacks_entry;
}

int tar_reader_finish(struct tar_reader *reader, bool proven, struct failure *failure) {
    if (reader->state == AT_END) {
        return 0;
    }
    if (reader->state == BROKEN) {
        return fail(failure, "IO_ERROR", "the archive has failed before");
    }
    if (reader->state == IN_CONTENT || reader->state == IN_SPARSE_BLOCKS || reader->state == IN_SPARSE_MAP) {
        fail(failure, "TRUNCATED_ARCHIVE", "the archive ends within an entry");
        return fail_entry(failure, reader->state == IN_CONTENT ? reader->entry.name : entry_name(reader));
    }
    /* A partial second closing block has to be zero. */
    if (reader->zero_blocks > 0 && bytes_are_zero(reader->block, reader->filled)) {
        return 0;
    }
    if (reader->zero_blocks > 0) {
        return fail(failure, "CORRUPT_ARCHIVE", "the archive continues after its end");
    }
    if (proven && reader->has_entries && is_between_entries(reader)) {
        return 0;
    }
    return fail(failure, "TRUNCATED_ARCHIVE", "the archive ends without a closing block");
}
