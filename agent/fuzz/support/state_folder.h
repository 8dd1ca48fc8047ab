/* A state directory beside other files, created anew for each run as far as it was used. */
#ifndef KW_FUZZ_STATE_FOLDER_H
#define KW_FUZZ_STATE_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "serve/state.h"

struct state_folder {
    int outer;
    struct state state;
};

void state_folder_open(struct state_folder *folder);
/* Writes a file below a folder of the state. */
void state_folder_write(int folder, const char *name, const uint8_t *bytes, size_t length);
/* Empties all but the folders that `state` has open, and checks the files outside. */
void state_folder_clear(struct state_folder *folder);

#endif
