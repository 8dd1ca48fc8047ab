#ifndef KW_PROCESS_NOTES_H
#define KW_PROCESS_NOTES_H

#include "process/supervisor.h"
#include "wire/json.h"

/* Converts a SIGNAL, RESIZE or STOP frame to a note; -1 with INVALID_SPEC. */
int process_note_read(struct session *session, struct message *message, struct note *note);
/* Converts OPEN of signal, resize or stop to a note; -1 with INVALID_SPEC. */
int process_note_from(const struct json *json, uint8_t type, struct note *note, struct failure *failure);

#endif
