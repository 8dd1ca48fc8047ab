/* One header block of 512 bytes: v7, ustar, star and GNU. */
#include <string.h>

#include "tar/tar_format.h"

static bool base_256(const uint8_t *field, size_t length, int64_t *value) {
    bool negative = (field[0] & 0x40) != 0;
    uint64_t fill = negative ? UINT64_MAX : 0;
    /* The flag bit of the first byte is not part of the number; bit 6 is the sign. */
    uint64_t number = negative ? fill << 8 | field[0] : field[0] & 0x3fu;
    for (size_t i = 1; i < length; i++) {
        uint64_t top = number >> 55;
        if (top != fill >> 55) {
            return false;
        }
        number = number << 8 | field[i];
    }
    *value = (int64_t)number;
    return true;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\0';
}

bool tar_number(const uint8_t *field, size_t length, int64_t *value) {
    if ((field[0] & 0x80) != 0) {
        return base_256(field, length, value);
    }
    size_t at = 0;
    int64_t number = 0;
    while (at < length && is_blank(field[at])) {
        at++;
    }
    bool is_empty = at == length || (at > 0 && (field[at] < '0' || field[at] > '7'));
    for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) {
        number = number * 8 + (field[at] - '0');
    }
    *value = number;
    /* The number ends at the first blank. Every tar program ignores the rest. */
    return is_empty || at == length || is_blank(field[at]);
}

int tar_copy_name(char to[TAR_NAME_MAX + 1], const char *from, size_t length, struct failure *failure) {
    if (length > TAR_NAME_MAX) {
        return fail(failure, "UNSUPPORTED_ENTRY", "a name or link of an entry is longer than %d bytes", TAR_NAME_MAX);
    }
    memcpy(to, from, length);
    to[length] = '\0';
    return 0;
}

/* Some old programs compute the sum of signed bytes. */
static bool checksum_matches(const uint8_t block[TAR_BLOCK]) {
    static const size_t field[] = {TAR_CHECKSUM};
    int64_t expected = 0;
    int64_t as_unsigned = 0;
    int64_t as_signed = 0;
    if (!tar_number(block + field[0], field[1], &expected)) {
        return false;
    }
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        uint8_t byte = i >= field[0] && i < field[0] + field[1] ? ' ' : block[i];
        as_unsigned += byte;
        as_signed += byte < 128 ? byte : (int64_t)byte - 256;
    }
    return expected == as_unsigned || expected == as_signed;
}

static size_t copy_field(char *to, const uint8_t *field, size_t length) {
    size_t size = strnlen((const char *)field, length);
    memcpy(to, field, size);
    to[size] = '\0';
    return size;
}

static void decode_name(const uint8_t block[TAR_BLOCK], struct tar_header *header) {
    static const size_t prefix[] = {TAR_PREFIX};
    static const size_t name[] = {TAR_NAME};
    size_t length = 0;
    if (memcmp(block + TAR_MAGIC, "ustar", 6) == 0) {
        /* star stores times in the last 24 bytes of the prefix and signs the block at its end. */
        bool star = memcmp(block + 508, "tar", 4) == 0;
        length = copy_field(header->name, block + prefix[0], star ? 131 : prefix[1]);
        if (length > 0) {
            header->name[length++] = '/';
        }
    }
    copy_field(header->name + length, block + name[0], name[1]);
}

/* Takes offset and length from a field macro of tar_format.h. */
static bool decode_number(const uint8_t block[TAR_BLOCK], size_t offset, size_t length, int64_t *value) {
    return tar_number(block + offset, length, value);
}

int tar_header_decode(const uint8_t block[TAR_BLOCK], struct tar_header *header, struct failure *failure) {
    static const size_t link[] = {TAR_LINK};
    int64_t mode = 0;
    if (!checksum_matches(block)) {
        return fail(failure, "CORRUPT_ARCHIVE", "a header's checksum is wrong");
    }
    decode_name(block, header);
    copy_field(header->link, block + link[0], link[1]);
    header->type = (char)block[TAR_TYPE];
    bool good =
        decode_number(block, TAR_MODE, &mode) && decode_number(block, TAR_SIZE, &header->size) && header->size >= 0;
    if (!good) {
        fail(failure, "CORRUPT_ARCHIVE", "a header has a number that cannot be read");
        return fail_entry(failure, header->name);
    }
    header->mode = (uint32_t)mode & 07777u;
    /* Times and ids are not content: an unreadable value does not invalidate the archive. */
    if (!decode_number(block, TAR_MTIME, &header->mtime)) {
        header->mtime = 0;
    }
    if (!decode_number(block, TAR_UID, &header->uid) || header->uid > TAR_ID_MAX) {
        header->uid = -1;
    }
    if (!decode_number(block, TAR_GID, &header->gid) || header->gid > TAR_ID_MAX) {
        header->gid = -1;
    }
    return 0;
}
