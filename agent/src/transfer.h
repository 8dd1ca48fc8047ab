/* What receive, send and copy have in common. */
#ifndef KW_TRANSFER_H
#define KW_TRANSFER_H

#include "busy.h"
#include "operation.h"
#include "volume_folder.h"

enum { PATH_BYTES = 4096 };

/* Claims the operation's id. */
int transfer_claim(struct session *session, const struct json *open, const char **id);
/* A path in a volume, in its normal form. */
int transfer_path(struct session *session, const struct json *open, const char *key, char path[PATH_BYTES]);
/* Commits what is staged, answering pings meanwhile. */
int transfer_commit(struct session *session, struct volume_folder *volume, const char *path);

#endif
