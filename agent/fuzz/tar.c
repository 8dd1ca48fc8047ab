/*
 * libFuzzer entry for the tar reader: unpacks what it is given into a folder that is emptied after each run, in pieces whose sizes come from the
 * input too. Beside crashes it finds anything made outside of the folder. Build: clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=c11
 * fuzz/tar.c and the sources that agent/test/run lists; run: ./tar-fuzz -max_len=16384 fuzz/corpus/tar
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/beneath.h"
#include "../src/volume.h"

#define EXPANDED_MOST (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int outer = -1;
static int inner = -1;

static void prepare(void) {
    const char *base = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/kw-tar-fuzz-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(path) == NULL) abort();
    outer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (outer < 0 || mkdirat(outer, "folder", 0700) != 0) abort();
    inner = openat(outer, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inner < 0) abort();
}

/* The folder's parent holds the folder alone: nothing got out by "..". */
static void check_outside(void) {
    struct stat status;
    if (fstat(outer, &status) != 0 || status.st_nlink > 3 || unlinkat(outer, "folder", AT_REMOVEDIR) != 0) abort();
    if (fchmod(outer, 0700) != 0 || mkdirat(outer, "folder", 0700) != 0) abort();
    close(inner);
    inner = openat(outer, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inner < 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct failure failure;
    struct tree_stats stats;
    if (outer < 0) prepare();
    failure = (struct failure){0};
    struct unpack_options options = {.expanded_limit = EXPANDED_MOST, .set_id_error = length % 5 == 0};
    beneath_without_openat2(length % 3 == 0);
    struct unpack *unpack = unpack_open(inner, &options, &failure);
    if (unpack == NULL) abort();
    size_t piece = length % 7 == 0 ? 1 : length % 7 * 100;
    int result = 0;
    for (size_t at = 0; result == 0 && at < length; at += piece)
        result = unpack_feed(unpack, bytes + at, piece < length - at ? piece : length - at, &failure);
    if (result == 0) result = unpack_finish(unpack, &stats, &failure);
    if (result != 0 && failure.code == NULL) abort();
    unpack_close(unpack);
    failure = (struct failure){0};
    if (empty_folder(inner, NULL, NULL, &failure) != 0) abort();
    check_outside();
    return 0;
}
