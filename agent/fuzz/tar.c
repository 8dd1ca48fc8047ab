/*
 * Unpacks the input into a folder that is emptied after each run, in pieces whose sizes come from
 * the input too. Finds crashes, anything created, changed or removed outside the folder, and trees
 * that differ after packing and unpacking them again. Mutations preserve blocks and repair
 * checksums; otherwise hardly any would be read beyond the first header.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/outside.h"
#include "volume/beneath.h"
#include "volume/volume.h"

#define EXPANDED_MOST (256 * 1024)
#define ARCHIVE_MOST (4 * 1024 * 1024)
#define BLOCK 512u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed);

static unsigned sum_of(const uint8_t *block) {
    unsigned sum = 8 * ' ';
    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= 148 && i < 156 ? 0 : block[i];
    }
    return sum;
}

static bool is_header(const uint8_t *block) {
    char text[9] = "";
    memcpy(text, block + 148, 8);
    return memcmp(block + 257, "ustar", 5) == 0 || (block[0] != 0 && strtoul(text, NULL, 8) == sum_of(block));
}

static void seal(uint8_t *block) {
    char text[16];
    snprintf(text, sizeof text, "%06o", sum_of(block));
    memcpy(block + 148, text, 7);
    block[155] = ' ';
}

/* Doubles, removes or moves a block. */
static size_t change_blocks(uint8_t *bytes, size_t length, size_t most, unsigned seed) {
    size_t count = length / BLOCK;
    size_t at = seed / 8 % count * BLOCK;
    size_t other = seed / 4096 % count * BLOCK;
    uint8_t block[BLOCK];
    if (seed % 4 == 0 && length + BLOCK <= most) {
        memmove(bytes + at + BLOCK, bytes + at, length - at);
        return length + BLOCK;
    }
    if (seed % 4 == 1 && count > 1) {
        memmove(bytes + at, bytes + at + BLOCK, length - at - BLOCK);
        return length - BLOCK;
    }
    memcpy(block, bytes + at, BLOCK);
    memcpy(bytes + at, bytes + other, BLOCK);
    memcpy(bytes + other, block, BLOCK);
    return length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed) {
    if (length < BLOCK || seed % 16 == 0) {
        return LLVMFuzzerMutate(bytes, length, most);
    }
    if (seed % 16 < 4) {
        return change_blocks(bytes, length, most, seed / 16);
    }
    uint8_t *block = bytes + seed / 16 % (length / BLOCK) * BLOCK;
    bool header = is_header(block);
    /* A field alone, or anywhere. */
    static const size_t fields[][2] = {
        {0, 100}, {100, 8}, {124, 12}, {136, 12}, {156, 1}, {157, 100}, {257, 8}, {345, 155}, {386, 126}};
    size_t which = seed / 65536 % 12;
    size_t start = which < 9 && header ? fields[which][0] : 0;
    size_t size = which < 9 && header ? fields[which][1] : BLOCK;
    size_t changed = LLVMFuzzerMutate(block + start, size, size);
    memset(block + start + changed, 0, size - changed);
    if (header) {
        seal(block);
    }
    return length;
}

static int outer = -1;
static int inner = -1;

static void prepare(void) {
    outer = outside_open();
    if (mkdirat(outer, "folder", 0700) != 0) {
        abort();
    }
    inner = openat(outer, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inner < 0) {
        abort();
    }
}

static int unpack_into(int folder, const uint8_t *bytes, size_t length, size_t piece, bool set_id_error, bool proven) {
    static struct failure failure;
    struct tree_stats stats;
    failure = (struct failure){0};
    struct unpack_options options = {.expanded_limit = EXPANDED_MOST, .set_id_error = set_id_error};
    struct unpack *unpack = unpack_open(folder, &options, &failure);
    if (unpack == NULL) {
        abort();
    }
    int result = 0;
    for (size_t at = 0; result == 0 && at < length; at += piece) {
        result = unpack_feed(unpack, bytes + at, piece < length - at ? piece : length - at, &failure);
    }
    if (result == 0) {
        result = unpack_finish(unpack, proven, &stats, &failure);
    }
    if (result != 0 && failure.code == NULL) {
        abort();
    }
    unpack_close(unpack);
    return result;
}

static void empty(int folder) {
    static struct failure failure;
    failure = (struct failure){0};
    if (empty_folder(folder, NULL, NULL, &failure) != 0) {
        abort();
    }
}

/* Packs the folder; returns the length, or 0 if it is too large to compare. */
static size_t pack_from(int folder, uint8_t *archive) {
    static struct failure failure;
    struct pack_options options = {0};
    enum pack_kind kind;
    failure = (struct failure){0};
    struct pack *pack = pack_open(folder, "", &options, &kind, &failure);
    if (pack == NULL) {
        abort();
    }
    int64_t length = pack_read(pack, archive, ARCHIVE_MOST, &failure);
    pack_close(pack);
    if (length < 0) {
        abort();
    }
    return length < ARCHIVE_MOST ? (size_t)length : 0;
}

static void check_round_trip(void) {
    static uint8_t first[ARCHIVE_MOST];
    static uint8_t second[ARCHIVE_MOST];
    size_t length = pack_from(inner, first);
    if (length == 0) {
        return;
    }
    empty(inner);
    if (unpack_into(inner, first, length, length, false, false) != 0) {
        abort();
    }
    if (pack_from(inner, second) != length || memcmp(first, second, length) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (outer < 0) {
        prepare();
    }
    beneath_without_openat2(length % 3 == 0);
    size_t piece = length % 7 == 0 ? 1 : length % 7 * 100;
    if (unpack_into(inner, bytes, length, piece, length % 5 == 0, length % 2 == 0) == 0) {
        check_round_trip();
    }
    outside_check(outer, "folder");
    empty(inner);
    outside_check(outer, "folder");
    if (fchmod(inner, 0700) != 0) {
        abort();
    }
    return 0;
}
