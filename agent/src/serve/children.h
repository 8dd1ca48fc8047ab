#ifndef KW_CHILDREN_H
#define KW_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The children of this process, at most `capacity` of them. As a subreaper this process gets what they leave behind. */
size_t children_list(pid_t *pids, size_t capacity);
/* Whether a process that is no zombie is in the group. */
bool group_alive(pid_t group);
/* KILL to all children, and to what becomes a child thereby, until none is left or the time is over. Reaps them. */
void kill_children(int64_t limit_ms);

#endif
