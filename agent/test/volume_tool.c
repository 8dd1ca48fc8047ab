/* Runs the functions of volume.h from a shell, for agent/test/run. Not part of the agent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/sha256_blocks.h"
#include "volume/beneath.h"
#include "volume/volume.h"
#include "volume/walk.h"

static struct {
    size_t chunk;
    size_t step;
    long long limit;
    bool keep_owner;
    bool set_id_error;
    bool plain;
    bool resumed;
    bool unmake;
    bool proven;
    const char *target;
    long crash_at; /* commit: exit silently at this progress call or, if -1, in `ready` */
} set = {.chunk = 262144, .step = 1, .limit = -1};

static int report(const struct failure *failure) {
    fprintf(stderr, "%s errno=%d limit=%lld bytes=%lld path=%s entry=%s: %s\n",
        failure->code == NULL ? "NO CODE" : failure->code, failure->error, (long long)failure->limit,
        (long long)failure->bytes, failure->path, failure->entry, failure->message);
    return 2;
}

static int open_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        perror(path);
        exit(3);
    }
    return fd;
}

static void print_stats(const struct tree_stats *stats) {
    fprintf(stderr, "entries=%llu expanded=%llu skipped=%llu\n", (unsigned long long)stats->entries,
        (unsigned long long)stats->expanded_bytes, (unsigned long long)stats->skipped);
}

static int do_unpack(const char *folder) {
    static struct failure failure;
    struct tree_stats stats = {0};
    struct unpack_options options = {.expanded_limit = set.limit,
        .keep_owner = set.keep_owner,
        .set_id_error = set.set_id_error,
        .target = set.target};
    struct unpack *unpack = unpack_open(open_folder(folder), &options, &failure);
    uint8_t *bytes = malloc(set.chunk);
    int result = unpack == NULL || bytes == NULL ? -1 : 0;
    while (result == 0) {
        ssize_t count = read(0, bytes, set.chunk);
        if (count <= 0) {
            break;
        }
        result = unpack_feed(unpack, bytes, (size_t)count, &failure);
    }
    if (result == 0) {
        result = unpack_finish(unpack, set.proven, &stats, &failure);
    }
    unpack_close(unpack);
    free(bytes);
    if (result != 0) {
        return report(&failure);
    }
    print_stats(&stats);
    return 0;
}

static int do_pack(const char *root, const char *path) {
    static struct failure failure;
    struct tree_stats stats = {0};
    struct pack_options options = {.keep_owner = set.keep_owner};
    enum pack_kind kind = PACK_FILE;
    struct pack *pack = pack_open(open_folder(root), path, &options, &kind, &failure);
    uint8_t *bytes = malloc(set.chunk);
    int64_t count = pack == NULL || bytes == NULL ? -1 : 1;
    while (count > 0) {
        count = pack_read(pack, bytes, set.chunk, &failure);
        for (int64_t done = 0; done < count;) {
            ssize_t part = write(1, bytes + done, (size_t)(count - done));
            if (part < 0) {
                return 4;
            }
            done += part;
        }
    }
    if (pack != NULL) {
        pack_stats(pack, &stats);
    }
    pack_close(pack);
    free(bytes);
    if (count < 0) {
        return report(&failure);
    }
    print_stats(&stats);
    return 0;
}

/* Reads all of stdin. */
static uint8_t *read_all(size_t *length) {
    size_t capacity = 1 << 20;
    uint8_t *bytes = malloc(capacity);
    *length = 0;
    for (;;) {
        ssize_t count = bytes == NULL ? 0 : read(0, bytes + *length, capacity - *length);
        if (count <= 0) {
            return bytes;
        }
        *length += (size_t)count;
        if (*length == capacity) {
            bytes = realloc(bytes, capacity *= 2);
        }
    }
}

/* Unpacks into a folder that is emptied afterwards; returns the code of the failure, or "OK". */
static const char *outcome(int folder, const uint8_t *bytes, size_t length) {
    static struct failure failure;
    struct failure ignored = {0};
    struct tree_stats stats = {0};
    struct unpack_options options = {.expanded_limit = set.limit};
    failure = (struct failure){0};
    struct unpack *unpack = unpack_open(folder, &options, &failure);
    int result = unpack == NULL ? -1 : 0;
    for (size_t at = 0; result == 0 && at < length; at += set.chunk) {
        result = unpack_feed(unpack, bytes + at, length - at < set.chunk ? length - at : set.chunk, &failure);
    }
    if (result == 0) {
        result = unpack_finish(unpack, set.proven, &stats, &failure);
    }
    unpack_close(unpack);
    if (empty_folder(folder, NULL, NULL, &ignored) != 0) {
        exit(report(&ignored));
    }
    return result == 0 ? "OK" : failure.code == NULL ? "NO CODE" : failure.code;
}

/*
 * Prints the outcome of prefixes of the archive on stdin, a line each: at each `step` bytes, and
 * around the ends of blocks.
 */
static int do_prefixes(const char *folder) {
    size_t length = 0;
    uint8_t *bytes = read_all(&length);
    int fd = open_folder(folder);
    for (size_t i = 0; i <= length; i++) {
        if (i % set.step == 0 || (i + 1) % 512 <= 2) {
            printf("%zu %s\n", i, outcome(fd, bytes, i));
        }
    }
    free(bytes);
    return 0;
}

/*
 * Prints the outcome of the archive with one byte changed by xor, a line for each byte, or for each
 * `step` bytes.
 */
static int do_flips(const char *folder, uint8_t change) {
    size_t length = 0;
    uint8_t *bytes = read_all(&length);
    int fd = open_folder(folder);
    for (size_t i = 0; i < length; i += set.step) {
        bytes[i] ^= change;
        printf("%zu %s\n", i, outcome(fd, bytes, length));
        bytes[i] ^= change;
    }
    free(bytes);
    return 0;
}

static int on_ready(void *context, struct failure *failure) {
    (void)context;
    (void)failure;
    if (set.crash_at < 0) {
        _exit(9);
    }
    return 0;
}

static int on_progress(void *context, uint64_t entries, uint64_t bytes) {
    long *calls = context;
    (void)entries;
    (void)bytes;
    return ++*calls == set.crash_at ? -1 : 0;
}

static int do_sha256(void) {
    struct sha256 hash;
    uint8_t digest[32];
    uint8_t *bytes = malloc(set.chunk);
    if (bytes == NULL) {
        return 3;
    }
    sha256_only_plain(set.plain);
    sha256_begin(&hash);
    for (ssize_t count = read(0, bytes, set.chunk); count > 0; count = read(0, bytes, set.chunk)) {
        sha256_add(&hash, bytes, (size_t)count);
    }
    sha256_end(&hash, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        printf("%02x", digest[i]);
    }
    printf("\n");
    free(bytes);
    return 0;
}

int main(int count, char **arguments) {
    static struct failure failure;
    struct tree_stats stats = {0};
    const char *words[4] = {"", "", "", ""};
    size_t given = 0;
    long calls = 0;
    for (int i = 1; i < count; i++) {
        const char *word = arguments[i];
        const char *next = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(word, "--chunk") == 0 && ++i) {
            set.chunk = strtoul(next, NULL, 10);
        } else if (strcmp(word, "--step") == 0 && ++i) {
            set.step = strtoul(next, NULL, 10);
        } else if (strcmp(word, "--limit") == 0 && ++i) {
            set.limit = strtoll(next, NULL, 10);
        } else if (strcmp(word, "--crash-at") == 0 && ++i) {
            set.crash_at = strtol(next, NULL, 10);
        } else if (strcmp(word, "--keep-owner") == 0) {
            set.keep_owner = true;
        } else if (strcmp(word, "--set-id-error") == 0) {
            set.set_id_error = true;
        } else if (strcmp(word, "--plain") == 0) {
            set.plain = true;
        } else if (strcmp(word, "--resumed") == 0) {
            set.resumed = true;
        } else if (strcmp(word, "--unmake") == 0) {
            set.unmake = true;
        } else if (strcmp(word, "--proven") == 0) {
            set.proven = true;
        } else if (strcmp(word, "--target") == 0 && ++i) {
            set.target = next;
        } else if (strcmp(word, "--walk-memory") == 0 && ++i) {
            walk_memory(strtoul(next, NULL, 10));
        } else if (strcmp(word, "--no-openat2") == 0) {
            beneath_without_openat2(true);
        } else if (given < 4) {
            words[given++] = word;
        }
    }
    int result = 1;
    if (strcmp(words[0], "unpack") == 0) {
        return do_unpack(words[1]);
    }
    if (strcmp(words[0], "pack") == 0) {
        return do_pack(words[1], words[2]);
    }
    if (strcmp(words[0], "prefixes") == 0) {
        return do_prefixes(words[1]);
    }
    if (strcmp(words[0], "flips") == 0) {
        return do_flips(words[1], (uint8_t)strtoul(words[2], NULL, 0));
    }
    if (strcmp(words[0], "sha256") == 0) {
        return do_sha256();
    }
    if (strcmp(words[0], "commit") == 0) {
        result = commit_tree(
            open_folder(words[1]), open_folder(words[2]), set.resumed, on_ready, on_progress, &calls, &failure);
    } else if (strcmp(words[0], "copy") == 0) {
        result = copy_tree(open_folder(words[1]), words[2], &(struct copy_target){open_folder(words[3]), set.target},
            on_progress, &calls, &stats, &failure);
        if (result == 0) {
            print_stats(&stats);
        }
    } else if (strcmp(words[0], "empty") == 0) {
        result = empty_folder(open_folder(words[1]), on_progress, &calls, &failure);
    } else if (strcmp(words[0], "open") == 0) {
        struct folders_created made;
        int root = open_folder(words[1]);
        int fd = folder_open(root, words[2], &made, &failure);
        result = fd < 0 ? -1 : 0;
        if (fd >= 0 && set.unmake) {
            folder_remove_created(root, words[2], &made);
        }
    } else if (strcmp(words[0], "normal") == 0) {
        char normal[PATH_LENGTH_MAX + 1];
        result = path_normal(words[1], normal, sizeof normal, &failure);
        if (result == 0) {
            printf("%s\n", normal);
        }
    } else {
        fprintf(stderr, "unpack FOLDER | prefixes FOLDER | flips FOLDER XOR | pack ROOT PATH | commit STAGING TARGET | "
                        "copy FROM PATH TO | empty FOLDER | open ROOT PATH | normal PATH | sha256\n");
        return 1;
    }
    return result == 0 ? 0 : report(&failure);
}
