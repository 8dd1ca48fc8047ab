/* Small files and descriptors. */
#ifndef KW_IO_H
#define KW_IO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"

/* Milliseconds: since the epoch, and of a clock that never jumps. */
int64_t wall_ms(void);
int64_t steady_ms(void);
void sleep_ms(int64_t ms);
/* Writes all of `length`, over short writes and interrupts; -1 with errno. */
int write_all(int fd, const void *bytes, size_t length);
/* The same at `offset` of the file. */
int pwrite_all(int fd, const void *bytes, size_t length, uint64_t offset);
/* Reads until `length` bytes have arrived, or the end or a failure; returns how many have. */
size_t read_all(int fd, void *bytes, size_t length);
/* At most capacity - 1 bytes, with a NUL behind them; the number, or -1 with errno. */
ssize_t read_file(int folder, const char *name, char *buffer, size_t capacity);
/*
 * Allocates `length` bytes for the file `name`, under the name that write_reserved and write_durably write to first. -1
 * with errno.
 */
int reserve_file(int folder, const char *name, size_t length);
/* As write_durably, and keeps what it reserved where it fails. */
int write_reserved(int folder, const char *name, const char *bytes, size_t length);
/* Writes `name` in `folder` so that it is there whole or not at all, also after a power cut. -1 with errno. */
int write_durably(int folder, const char *name, const char *bytes, size_t length);
/* The same, and returns a descriptor of the file, locked (flock) from before it has its name; -1. */
int write_locked(int folder, const char *name, const char *bytes, size_t length);
/* Whether `folder` has something of this name, a link counts as itself: 1, 0, or -1 with errno where that cannot be
 * known. */
int entry_exists(int folder, const char *name);
/* Opens the folder `name` of `parent` for reading, never through a link. -1 with errno. */
int open_folder(int parent, const char *name);
/* The same; makes the folder, with `mode`, where it is missing. */
int create_folder(int parent, const char *name, mode_t mode);
/* Takes the right to change a folder of this user's from all others: the kubelet makes folders with mode 0777. Another
 * user's stays as it is. */
int restrict_to_owner(int folder);
/* Marks all descriptors from `lowest` on as closed on exec. */
void close_on_exec_from(int lowest);
int set_nonblocking(int fd);
/* Lists the folder from its start, without a change of the descriptor; NULL with errno. */
DIR *open_listing(int folder);
/* Closes the descriptor unless it is -1, and sets it to -1. Keeps errno. */
void close_fd(int *fd);

#endif
