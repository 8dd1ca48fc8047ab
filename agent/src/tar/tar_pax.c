/* The records of a pax extended header: "<length> <key>=<value>\n". */
#include <string.h>

#include "tar/tar_format.h"

struct record {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
};

static int bad(struct failure *failure, const char *what) {
    return fail(failure, "CORRUPT_ARCHIVE", "an extended header has %s", what);
}

static bool key_is(const struct record *record, const char *key) {
    return strlen(key) == record->key_length && memcmp(record->key, key, record->key_length) == 0;
}

static bool key_starts(const struct record *record, const char *start) {
    return record->key_length >= strlen(start) && memcmp(record->key, start, strlen(start)) == 0;
}

/*
 * Reads digits up to `end`. Returns the position after them, or NULL if there are none or the
 * number does not fit.
 */
static const char *digits(const char *at, const char *end, int64_t *value) {
    const char *start = at;
    int64_t number = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (number > (INT64_MAX - 9) / 10) {
            return NULL;
        }
        number = number * 10 + (*at - '0');
    }
    *value = number;
    return at == start ? NULL : at;
}

static bool whole_number(const struct record *record, int64_t *value) {
    const char *end = record->value + record->value_length;
    return digits(record->value, end, value) == end;
}

static int text(const struct record *record, char *to, struct failure *failure) {
    if (record->value_length <= TAR_NAME_MAX && memchr(record->value, '\0', record->value_length) != NULL) {
        return bad(failure, "a name with a NUL byte");
    }
    return tar_copy_name(to, record->value, record->value_length, failure);
}

/* GNU.sparse.map: "offset,length,offset,length" (0.1). */
static int sparse_map(const struct record *record, struct tar_sparse *sparse, struct failure *failure) {
    const char *at = record->value;
    const char *end = at + record->value_length;
    while (at < end) {
        int64_t number = 0;
        at = digits(at, end, &number);
        if (at == NULL || (at < end && *at != ',')) {
            return bad(failure, "a sparse map that cannot be read");
        }
        if (tar_sparse_number(sparse, number, failure) != 0) {
            return -1;
        }
        if (at < end) {
            at++;
        }
    }
    return 0;
}

/* Returns whether a record is needed to restore a sparse file. Other GNU.sparse records are not. */
static bool is_sparse(const struct record *record) {
    static const char *const keys[] = {"name", "map", "offset", "numbytes", "size", "realsize", "major", "minor"};
    static const char start[] = "GNU.sparse.";
    if (!key_starts(record, start)) {
        return false;
    }
    struct record rest = {.key = record->key + sizeof start - 1, .key_length = record->key_length - (sizeof start - 1)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (key_is(&rest, keys[i])) {
            return true;
        }
    }
    return false;
}

static int sparse_record(
    const struct record *record, struct tar_pax *pax, struct tar_sparse *sparse, struct failure *failure) {
    int64_t number = 0;
    if (sparse == NULL) {
        return bad(failure, "a sparse map for all entries");
    }
    pax->set |= PAX_SPARSE;
    if (key_is(record, "GNU.sparse.name")) {
        pax->set |= PAX_SPARSE_NAME;
        return text(record, pax->sparse_name, failure);
    }
    if (key_is(record, "GNU.sparse.map")) {
        pax->set |= PAX_SPARSE_MAP;
        return sparse_map(record, sparse, failure);
    }
    if (!whole_number(record, &number)) {
        return bad(failure, "a number that cannot be read");
    }
    if (key_is(record, "GNU.sparse.offset") || key_is(record, "GNU.sparse.numbytes")) {
        bool is_offset = key_is(record, "GNU.sparse.offset");
        if (is_offset != (sparse->pending < 0)) {
            return bad(failure, "a sparse map out of order");
        }
        pax->set |= PAX_SPARSE_MAP;
        return tar_sparse_number(sparse, number, failure);
    }
    if (key_is(record, "GNU.sparse.size") || key_is(record, "GNU.sparse.realsize")) {
        sparse->real_size = number;
        pax->set |= PAX_SPARSE_SIZE;
    } else if (key_is(record, "GNU.sparse.major")) {
        pax->sparse_major = number;
    } else if (key_is(record, "GNU.sparse.minor")) {
        pax->sparse_minor = number;
    }
    return 0;
}

/* A record with an empty value removes the earlier value. */
static int keep_text(
    const struct record *record, struct tar_pax *pax, unsigned flag, char *to, struct failure *failure) {
    pax->set = record->value_length > 0 ? pax->set | flag : pax->set & ~flag;
    return text(record, to, failure);
}

static int keep_number(
    const struct record *record, struct tar_pax *pax, unsigned flag, int64_t *to, struct failure *failure) {
    pax->set &= ~flag;
    if (record->value_length == 0) {
        return 0;
    }
    if (!whole_number(record, to)) {
        return bad(failure, "a number that cannot be read");
    }
    pax->set |= flag;
    return 0;
}

/*
 * Ignores a value that cannot be read, so that the header's own value applies. An id out of range
 * becomes -1.
 */
static void keep_id(const struct record *record, struct tar_pax *pax, unsigned flag, int64_t *to) {
    bool negative = record->value_length > 0 && record->value[0] == '-';
    struct record digits_only = *record;
    digits_only.value += negative ? 1 : 0;
    digits_only.value_length -= negative ? 1 : 0;
    pax->set &= ~flag;
    if (!whole_number(&digits_only, to)) {
        return;
    }
    if (negative || *to > TAR_ID_MAX) {
        *to = -1;
    }
    pax->set |= flag;
}

static void keep_time(const struct record *record, struct tar_pax *pax) {
    pax->set &= ~PAX_MTIME;
    if (tar_time(record->value, record->value_length, &pax->mtime)) {
        pax->set |= PAX_MTIME;
    }
}

static int apply(const struct record *record, struct tar_pax *pax, struct tar_sparse *sparse, struct failure *failure) {
    if (key_is(record, "path")) {
        return keep_text(record, pax, PAX_PATH, pax->path, failure);
    }
    if (key_is(record, "linkpath")) {
        return keep_text(record, pax, PAX_LINK, pax->link, failure);
    }
    if (key_is(record, "size")) {
        return keep_number(record, pax, PAX_SIZE, &pax->size, failure);
    }
    if (key_is(record, "uid")) {
        keep_id(record, pax, PAX_UID, &pax->uid);
    }
    if (key_is(record, "gid")) {
        keep_id(record, pax, PAX_GID, &pax->gid);
    }
    if (key_is(record, "mtime")) {
        keep_time(record, pax);
    }
    if (is_sparse(record)) {
        return sparse_record(record, pax, sparse, failure);
    }
    if (key_starts(record, "GNU.volume.offset") || key_starts(record, "GNU.volume.size")) {
        return fail(failure, "UNSUPPORTED_ENTRY", "an archive of several volumes");
    }
    return 0; /* comments, access times, user names, vendor extensions */
}

int tar_pax_decode(
    const uint8_t *bytes, size_t length, struct tar_pax *pax, struct tar_sparse *sparse, struct failure *failure) {
    const char *at = (const char *)bytes;
    const char *end = at + length;
    while (at < end) {
        int64_t size = 0;
        const char *key = digits(at, end, &size);
        if (key == NULL || key == end || *key != ' ' || size > end - at || size < key - at + 3 ||
            at[size - 1] != '\n') {
            return bad(failure, "a record of a wrong length");
        }
        const char *record_end = at + size - 1;
        key++;
        const char *equals = memchr(key, '=', (size_t)(record_end - key));
        if (equals == NULL || equals == key) {
            return bad(failure, "a record without a key");
        }
        struct record record = {key, (size_t)(equals - key), equals + 1, (size_t)(record_end - equals - 1)};
        if (apply(&record, pax, sparse, failure) != 0) {
            return -1;
        }
        at = record_end + 1;
    }
    return 0;
}
