/*
 * Encodes the header of an entry: one ustar block, preceded by a pax header if its fields are too
 * small. The same entry always produces the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tar/tar_format.h"

/* The largest values of 11 octal digits (size, mtime) and of 7 (ids). */
#define OCTAL_11_MAX 077777777777LL
#define OCTAL_7_MAX 07777777LL

struct records {
    char *bytes;
    size_t filled;
    size_t capacity;
};

static size_t decimal_digits(size_t number) {
    size_t digits = 1;
    for (; number >= 10; number /= 10) {
        digits++;
    }
    return digits;
}

/* "<length> <key>=<value>\n"; the length includes itself. */
static bool add_record(struct records *records, const char *key, const char *value, size_t value_length) {
    size_t rest = 1 + strlen(key) + 1 + value_length + 1;
    size_t length = rest + decimal_digits(rest);
    if (decimal_digits(length) > decimal_digits(rest)) {
        length = rest + decimal_digits(length);
    }
    if (length >= records->capacity - records->filled) {
        return false;
    }
    int start = snprintf(records->bytes + records->filled, records->capacity - records->filled, "%zu %s=", length, key);
    if (start < 0) {
        return false;
    }
    char *at = records->bytes + records->filled + start;
    memcpy(at, value, value_length);
    at[value_length] = '\n';
    records->filled += length;
    return true;
}

static bool add_number(struct records *records, const char *key, int64_t number) {
    char text[32];
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    return add_record(records, key, text, (size_t)length);
}

static bool add_time(struct records *records, const struct timespec *time) {
    char text[64];
    int64_t seconds = (int64_t)time->tv_sec;
    long nanoseconds = time->tv_nsec;
    bool negative = seconds < 0;
    if (negative && nanoseconds > 0) {
        /* -2 s and 500,000,000 ns is "-1.5". */
        seconds++;
        nanoseconds = 1000000000L - nanoseconds;
    }
    int length = snprintf(text, sizeof text, "%s%llu", negative ? "-" : "",
        (unsigned long long)(negative ? -(seconds + 1) : seconds) + (negative ? 1u : 0u));
    if (nanoseconds > 0) {
        length += snprintf(text + length, sizeof text - (size_t)length, ".%09ld", nanoseconds);
        while (text[length - 1] == '0') {
            length--;
        }
    }
    return add_record(records, "mtime", text, (size_t)length);
}

/* Octal if the number fits, else base-256, for programs that do not read pax records. */
static void put_number(uint8_t *block, size_t offset, size_t length, int64_t number) {
    int64_t most = length == 12 ? OCTAL_11_MAX : OCTAL_7_MAX;
    if (number >= 0 && number <= most) {
        char text[16];
        snprintf(text, sizeof text, "%0*llo", (int)(length - 1), (unsigned long long)number);
        memcpy(block + offset, text, length);
        return;
    }
    uint64_t rest = (uint64_t)number;
    for (size_t i = length; i > 1; i--) {
        block[offset + i - 1] = (uint8_t)rest;
        rest = rest >> 8 | (number < 0 ? 0xffull << 56 : 0);
    }
    block[offset] = number < 0 ? 0xff : 0x80;
}

/*
 * Returns where a name is split into prefix and name: the index of the slash, 0 if no split is
 * needed, -1 if impossible.
 */
static int64_t split(const char *name, size_t length) {
    if (length <= 100) {
        return 0;
    }
    for (size_t i = length - 101; i <= 155 && i + 1 < length; i++) {
        if (i > 0 && name[i] == '/') {
            return (int64_t)i;
        }
    }
    return -1;
}

static void put_text(uint8_t *block, size_t offset, size_t capacity, const char *text, size_t length) {
    memcpy(block + offset, text, length < capacity ? length : capacity);
}

static void seal(uint8_t *block) {
    unsigned sum = 0;
    char text[16];
    memcpy(block + TAR_MAGIC, "ustar\00000", 8);
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += block[i];
    }
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(block + 148, text, 7);
}

static void put_block(uint8_t *block, const struct tar_entry *entry, char type, const char *name, const char *target) {
    size_t length = strlen(name);
    int64_t slash = split(name, length);
    memset(block, 0, TAR_BLOCK);
    if (slash > 0) {
        put_text(block, 345, 155, name, (size_t)slash);
        put_text(block, 0, 100, name + slash + 1, length - (size_t)slash - 1);
    } else {
        put_text(block, 0, 100, name, length);
    }
    put_number(block, TAR_MODE, entry->mode);
    put_number(block, TAR_UID, entry->uid);
    put_number(block, TAR_GID, entry->gid);
    put_number(block, TAR_SIZE, entry->size);
    put_number(block, TAR_MTIME, entry->mtime.tv_sec);
    block[TAR_TYPE] = (uint8_t)type;
    put_text(block, 157, 100, target, strlen(target));
    put_number(block, 329, 8, 0);
    put_number(block, 337, 8, 0);
    seal(block);
}

/* pax records are UTF-8; a preceding `hdrcharset` record marks names in other encodings. */
static bool is_utf8(const char *text) {
    return utf8_valid(text, strlen(text));
}

static bool add_records(struct records *records, const struct tar_entry *entry, const char *target) {
    bool long_name = split(entry->name, strlen(entry->name)) < 0;
    bool long_target = strlen(target) > 100;
    bool good = true;
    if ((long_name && !is_utf8(entry->name)) || (long_target && !is_utf8(target))) {
        good = add_record(records, "hdrcharset", "BINARY", 6);
    }
    if (long_name) {
        good = good && add_record(records, "path", entry->name, strlen(entry->name));
    }
    if (long_target) {
        good = good && add_record(records, "linkpath", target, strlen(target));
    }
    if (entry->size > OCTAL_11_MAX) {
        good = good && add_number(records, "size", entry->size);
    }
    if (entry->uid > OCTAL_7_MAX) {
        good = good && add_number(records, "uid", entry->uid);
    }
    if (entry->gid > OCTAL_7_MAX) {
        good = good && add_number(records, "gid", entry->gid);
    }
    if (entry->mtime.tv_nsec != 0 || entry->mtime.tv_sec < 0 || entry->mtime.tv_sec > OCTAL_11_MAX) {
        good = good && add_time(records, &entry->mtime);
    }
    return good;
}

size_t tar_header_encode(const struct tar_entry *entry, uint8_t *blocks, size_t capacity) {
    static const char types[] = {[TAR_FILE] = '0', [TAR_HARD_LINK] = '1', [TAR_SYMLINK] = '2', [TAR_FOLDER] = '5'};
    const char *target = entry->kind == TAR_HARD_LINK || entry->kind == TAR_SYMLINK ? entry->target : "";
    if (capacity < 3 * TAR_BLOCK) {
        return 0;
    }
    struct records records = {(char *)blocks + TAR_BLOCK, 0, capacity - 3 * TAR_BLOCK};
    if (!add_records(&records, entry, target)) {
        return 0;
    }
    size_t filled = 0;
    if (records.filled > 0) {
        struct tar_entry pax = {.mode = 0644, .size = (int64_t)records.filled};
        size_t padding = tar_padding((int64_t)records.filled);
        put_block(blocks, &pax, 'x', "././@PaxHeader", "");
        memset(records.bytes + records.filled, 0, padding);
        filled = TAR_BLOCK + records.filled + padding;
    }
    put_block(blocks + filled, entry, types[entry->kind], entry->name, target);
    return filled + TAR_BLOCK;
}
