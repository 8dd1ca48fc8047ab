/* The normal form of paths in a volume. */
#include <string.h>

#include "volume/beneath.h"
#include "volume/volume.h"

int path_normal(const char *path, char *normal, size_t capacity, struct failure *failure) {
    size_t length = 0;
    if (capacity == 0) {
        return fail_path(failure, "UNSAFE_PATH", 0, "no room for a path", path);
    }
    normal[0] = '\0';
    for (const char *at = path; *at != '\0';) {
        size_t size = strcspn(at, "/");
        const char *name = at;
        at += size + (at[size] == '/' ? 1 : 0);
        if (size == 0 || (size == 1 && name[0] == '.')) {
            continue;
        }
        if (size == 2 && name[0] == '.' && name[1] == '.') {
            return fail_path(failure, "UNSAFE_PATH", 0, "a path must not contain a \"..\" component", path);
        }
        size_t slash = length > 0 ? 1 : 0;
        if (size > PATH_LENGTH_MAX || length + slash + size > PATH_LENGTH_MAX || length + slash + size >= capacity) {
            return fail_path(failure, "UNSAFE_PATH", 0, "a path is longer than 4095 bytes", path);
        }
        if (slash == 1) {
            normal[length++] = '/';
        }
        memcpy(normal + length, name, size);
        length += size;
        normal[length] = '\0';
    }
    return 0;
}

size_t path_room(const char *folder) {
    size_t length = folder == NULL || folder[0] == '\0' ? 0 : strlen(folder) + 1;
    return length < PATH_LENGTH_MAX ? PATH_LENGTH_MAX - length : 0;
}
