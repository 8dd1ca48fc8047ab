#ifndef KW_OOM_H
#define KW_OOM_H

#include <stdint.h>

/*
 * Returns how many processes of this container the kernel has killed for memory, from its cgroup
 * (v1 or v2); -1 if unreadable.
 */
int64_t oom_kills(void);
/* Returns the difference from `before`, an earlier count. */
int64_t oom_kills_since(int64_t before);

#endif
