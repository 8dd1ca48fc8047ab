/*
 * The parts of the tar reader below the blocks: records of extended headers, sparse maps and number
 * fields. An entry made of the input must decode to the same from its own encoding.
 */
#include <stdlib.h>
#include <string.h>

#include "tar/tar_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_records(const uint8_t *bytes, size_t length) {
    static struct tar_pax pax;
    static struct failure failure;
    struct tar_sparse sparse = {0};
    tar_sparse_clear(&sparse);
    pax = (struct tar_pax){0};
    failure = (struct failure){0};
    int result = tar_pax_decode(bytes, length, &pax, &sparse, &failure);
    if ((result != 0) != (failure.code != NULL)) {
        abort();
    }
    if (strlen(pax.path) > TAR_NAME_MAX || strlen(pax.link) > TAR_NAME_MAX || strlen(pax.sparse_name) > TAR_NAME_MAX) {
        abort();
    }
    if (pax.mtime.tv_nsec < 0 || pax.mtime.tv_nsec > 999999999) {
        abort();
    }
    failure = (struct failure){0};
    int64_t stored = 0;
    for (size_t i = 0; i < sparse.count && stored < INT64_MAX / 2; i++) {
        stored += sparse.segments[i].length / 2;
    }
    (void)tar_sparse_check(&sparse, stored, &failure);
    tar_sparse_free(&sparse);
    failure = (struct failure){0};
    (void)tar_pax_decode(bytes, length, &pax, NULL, &failure);
}

static void read_fields(const uint8_t *bytes, size_t length) {
    static struct failure failure;
    struct tar_sparse sparse = {0};
    struct tar_header header;
    uint8_t block[TAR_BLOCK] = {0};
    int64_t number = 0;
    memcpy(block, bytes, length < sizeof block ? length : sizeof block);
    failure = (struct failure){0};
    tar_sparse_clear(&sparse);
    (void)tar_number(block, 12, &number);
    (void)tar_number(block, 8, &number);
    (void)tar_sparse_fields(&sparse, block, 21, &failure);
    tar_sparse_free(&sparse);
    failure = (struct failure){0};
    (void)tar_header_decode(block, &header, &failure);
}

static int on_entry(void *context, const struct tar_entry *entry, struct failure *failure) {
    const struct tar_entry *wanted = context;
    (void)failure;
    if (entry->kind != wanted->kind || entry->mode != wanted->mode || entry->uid != wanted->uid ||
        entry->gid != wanted->gid) {
        abort();
    }
    if (strcmp(entry->name, wanted->name) != 0 || entry->size != wanted->size) {
        abort();
    }
    if (entry->mtime.tv_sec != wanted->mtime.tv_sec || entry->mtime.tv_nsec != wanted->mtime.tv_nsec) {
        abort();
    }
    if ((entry->kind == TAR_SYMLINK || entry->kind == TAR_HARD_LINK) && strcmp(entry->target, wanted->target) != 0) {
        abort();
    }
    return 0;
}

static int on_content(void *context, int64_t offset, const uint8_t *bytes, size_t length, struct failure *failure) {
    (void)context, (void)offset, (void)bytes, (void)length, (void)failure;
    abort();
}

static int on_end(void *context, struct failure *failure) {
    (void)context, (void)failure;
    return 0;
}

static int64_t take(const uint8_t **bytes, size_t *length) {
    int64_t number = 0;
    size_t size = *length < sizeof number ? *length : sizeof number;
    memcpy(&number, *bytes, size);
    *bytes += size;
    *length -= size;
    return number;
}

static void text_of(char *text, const uint8_t *bytes, size_t length) {
    if (length > TAR_NAME_MAX) {
        length = TAR_NAME_MAX;
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (text[0] == '\0') {
        strcpy(text, "x");
    }
}

static void encode(const uint8_t *bytes, size_t length) {
    static const struct tar_sink sink = {on_entry, on_content, on_end};
    static char name[TAR_NAME_MAX + 2];
    static char target[TAR_NAME_MAX + 1];
    static uint8_t blocks[TAR_HEADER_MAX];
    static struct failure failure;
    uint64_t kind = (uint64_t)take(&bytes, &length);
    struct tar_entry entry = {
        .kind = (enum tar_kind)(kind % 4), .mode = (uint32_t)(kind >> 8) & 07777, .name = name, .target = target};
    /* A larger one is not a valid id, and is decoded as none. */
    entry.uid = (take(&bytes, &length) & INT64_MAX) % (TAR_ID_MAX + 1);
    entry.gid = (take(&bytes, &length) & INT64_MAX) % (TAR_ID_MAX + 1);
    entry.mtime.tv_sec = (time_t)take(&bytes, &length);
    entry.mtime.tv_nsec = (long)((uint64_t)take(&bytes, &length) % 1000000000);
    entry.size = entry.kind == TAR_FILE ? take(&bytes, &length) & INT64_MAX : 0;
    size_t half = length > 0 ? (bytes[0] * length) / 256 : 0;
    text_of(name, bytes, half);
    text_of(target, bytes + half, length - half);
    size_t end = strlen(name);
    /* A name with a trailing slash is a folder's. */
    while (entry.kind != TAR_FOLDER && end > 1 && name[end - 1] == '/') {
        name[--end] = '\0';
    }
    if (strcmp(name, "/") == 0) {
        strcpy(name, "x");
    }
    /* A number that no record can hold is beyond those of a file system. */
    if (entry.mtime.tv_sec > INT64_MAX / 16 || entry.mtime.tv_sec < INT64_MIN / 16) {
        entry.mtime.tv_sec /= 16;
    }
    if (entry.size > INT64_MAX / 16) {
        entry.size /= 16;
    }
    size_t size = tar_header_encode(&entry, blocks, sizeof blocks);
    if (size == 0 || size % TAR_BLOCK != 0) {
        abort();
    }
    failure = (struct failure){0};
    struct tar_reader *reader = tar_reader_open(&sink, &entry, &failure);
    if (reader == NULL || tar_reader_feed(reader, blocks, size, &failure) != 0) {
        abort();
    }
    tar_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    read_records(bytes, length);
    read_fields(bytes, length);
    encode(bytes, length);
    return 0;
}
