/* A stream of a command's output, stored by offset in segment files of the process's folder. */
#ifndef KW_OUTPUT_H
#define KW_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SEGMENT_BYTES ((uint64_t)8 * 1024 * 1024)

struct output {
    int folder;
    int stream;    /* 1: stdout, 2: stderr */
    int fd;        /* the newest segment, -1: not open */
    uint64_t first; /* the first available offset */
    uint64_t end;
    uint64_t durable; /* stored by a host up to this offset */
};

/* Prepares a process's folder before output is appended or read. -1 with errno. */
int output_prepare(int folder);
void output_begin(struct output *output, int folder, int stream);
/*
 * Appends bytes. Returns fewer than `length` only if the disk refuses them (errno has the reason).
 */
size_t output_append(struct output *output, const uint8_t *bytes, size_t length);
/* Removes whole segments that a host has stored, except the last `retain` bytes. */
void output_trim(struct output *output, uint64_t retain);
/* Removes all that a host has stored, in blocks of the file system, and retains nothing. */
void output_free(struct output *output);
/* Makes output durable that no host has stored. -1 with errno. */
int output_sync(const struct output *output);
/* Sets `first` and `end` from the files of a process without a supervisor. */
void output_inspect(struct output *output);
void output_remove(int folder);

struct output_reader {
    int folder;
    int stream;
    int fd;
    int freed; /* the file `freed`, -1: not open */
    uint64_t segment;
};

/*
 * Reads at most `length` bytes at `offset`, within one segment. Returns their number, 0 if there
 * are none, or -1 with errno (ENOENT: freed).
 */
ssize_t output_read(struct output_reader *reader, uint64_t offset, uint8_t *bytes, size_t length);
void output_reader_close(struct output_reader *reader);

#endif
