/* A stream of a command's output, kept by offset in segment files of a process's folder. */
#ifndef KW_OUTPUT_H
#define KW_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SEGMENT_BYTES ((uint64_t)8 * 1024 * 1024)

struct output {
    int folder;
    int stream;    /* 1: stdout, 2: stderr */
    int fd;        /* the newest segment, -1: none is open */
    uint64_t first; /* the first offset that is still there */
    uint64_t end;
    uint64_t durable; /* what a host has stored */
};

/* Once for a process, before anything is appended or read. -1 with errno. */
int output_prepare(int folder);
void output_begin(struct output *output, int folder, int stream);
/* Appends what it can: fewer bytes than `length` only where the disk refuses them (errno says why). */
size_t output_append(struct output *output, const uint8_t *bytes, size_t length);
/* Removes whole segments that a host has stored, but for the last `retain` bytes. */
void output_trim(struct output *output, uint64_t retain);
/* The same without any that are kept, down to the file system's block. */
void output_free(struct output *output);
/* Makes durable what no host has stored. -1 with errno. */
int output_sync(const struct output *output);
/* What the files of a process without a supervisor hold: sets `first` and `end`. */
void output_inspect(struct output *output);
void output_remove(int folder);

struct output_reader {
    int folder;
    int stream;
    int fd;
    int freed; /* the file of that name, -1: not open */
    uint64_t segment;
};

/* Reads at most `length` bytes at `offset`, within one segment: their number, 0 where none are there, or -1 with errno
 * (ENOENT: trimmed). */
ssize_t output_read(struct output_reader *reader, uint64_t offset, uint8_t *bytes, size_t length);
void output_reader_close(struct output_reader *reader);

#endif
