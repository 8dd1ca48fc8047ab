#ifndef KW_OOM_H
#define KW_OOM_H

#include <stdint.h>

/* How many processes of this container the kernel has killed for memory, by its cgroup (v1 or v2); -1 where it cannot
 * be read. */
int64_t oom_kills(void);
/* What came about since `before`, a former count. */
int64_t oom_kills_since(int64_t before);

#endif
