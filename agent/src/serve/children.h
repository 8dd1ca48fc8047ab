#ifndef KW_CHILDREN_H
#define KW_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Lists at most `capacity` children of this process. As a subreaper it adopts their orphans. */
size_t children_list(pid_t *pids, size_t capacity);
/* Returns whether the group has a process that is not a zombie. */
bool group_alive(pid_t group);
/*
 * Kills and reaps all children, and the orphans adopted meanwhile, until none are left or the time
 * limit has passed.
 */
void kill_children(int64_t limit_ms);

#endif
