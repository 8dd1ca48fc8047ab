/* Small files, descriptors and clocks. */
#ifndef KW_IO_H
#define KW_IO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"

/* Milliseconds since the epoch, and of a monotonic clock. */
int64_t wall_ms(void);
int64_t steady_ms(void);
void sleep_ms(int64_t ms);
/* Writes all of `length`, over short writes and interrupts; -1 with errno. */
int write_all(int fd, const void *bytes, size_t length);
/* Writes all of `length` at `offset` of the file; -1 with errno. */
int pwrite_all(int fd, const void *bytes, size_t length, uint64_t offset);
/*
 * Reads until `length` bytes have arrived, the end or a failure; returns the number of bytes read.
 */
size_t read_all(int fd, void *bytes, size_t length);
/*
 * Reads at most capacity - 1 bytes and adds a NUL; returns the number of bytes, or -1 with errno.
 */
ssize_t read_file(int folder, const char *name, char *buffer, size_t capacity);
/*
 * Allocates `length` bytes under the temporary name that write_reserved and write_durably use for
 * `name`. -1 with errno.
 */
int reserve_file(int folder, const char *name, size_t length);
/* Like write_durably, but keeps the reserved temporary file on failure. */
int write_reserved(int folder, const char *name, const char *bytes, size_t length);
/*
 * Writes `name` in `folder` atomically: after a power cut the file is complete or absent. -1 with
 * errno.
 */
int write_durably(int folder, const char *name, const char *bytes, size_t length);
/*
 * Like write_durably; returns a descriptor of the file, which is locked (flock) before it gets its
 * name, or -1.
 */
int write_locked(int folder, const char *name, const char *bytes, size_t length);
/*
 * Returns 1 if `folder` has an entry of this name (a link counts as itself), 0 if not, -1 with
 * errno if unknown.
 */
int entry_exists(int folder, const char *name);
/* Opens the folder `name` of `parent` for reading, never through a link. -1 with errno. */
int open_folder(int parent, const char *name);
/* Like open_folder; creates a missing folder with `mode`. */
int create_folder(int parent, const char *name, mode_t mode);
/*
 * Removes the write permission of group and others from a folder of this user: the kubelet creates
 * folders with mode 0777. Another user's folder keeps its mode.
 */
int restrict_to_owner(int folder);
/* Sets close-on-exec on all descriptors from `lowest` up. */
void close_on_exec_from(int lowest);
int set_nonblocking(int fd);
/* Lists the folder from its start through a descriptor of its own; NULL with errno. */
DIR *open_listing(int folder);
/* Closes the descriptor unless it is -1, and sets it to -1. Keeps errno. */
void close_fd(int *fd);

#endif
