/* Small files and descriptors. */
#ifndef KW_IO_H
#define KW_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"

/* Milliseconds: since the epoch, and of a clock that never jumps. */
int64_t wall_ms(void);
int64_t steady_ms(void);
/* All of `length`, over short writes; -1 with errno. */
int write_all(int fd, const void *bytes, size_t length);
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
int is_there(int folder, const char *name);
/* Opens (and with `make` makes, with `mode`) the folder `name`; never through a link. -1 with errno. */
int open_folder(int parent, const char *name, bool make, mode_t mode);
/* Takes the right to change a folder of this user's from all others: the kubelet makes folders with mode 0777. Another
 * user's stays as it is. */
int close_to_others(int folder);
/* Marks all descriptors from `lowest` on as closed on exec. */
void close_on_exec_from(int lowest);
int set_nonblocking(int fd);
/* Closes and sets to -1. */
void close_fd(int *fd);

#endif
