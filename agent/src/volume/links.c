#include "volume/links.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

#define SLOTS_FIRST 1024u
#define IN_MEMORY_BYTES (1536u * 1024u)
/* The limit if no file can be created (a read-only volume). */
#define IN_MEMORY_BYTES_MAX (48u * 1024u * 1024u)

void links_open(struct links *links, int folder) {
    *links = (struct links){.folder = folder};
    spool_open(&links->paths, folder);
}

void links_close(struct links *links) {
    if (links->slots != NULL) {
        munmap(links->slots, links->capacity * sizeof *links->slots);
    }
    links->slots = NULL;
    spool_close(&links->paths);
}

/*
 * Returns zeroed memory for a table. A large table is a mapped file, whose pages the kernel can
 * write out.
 */
static struct link_slot *new_table(int folder, size_t bytes) {
    int file = bytes > IN_MEMORY_BYTES ? unnamed_file(folder) : -1;
    /* Allocates all blocks at once: a full disk would otherwise raise a signal later. */
    if (file >= 0 && posix_fallocate(file, 0, (off_t)bytes) != 0) {
        close_fd(&file);
    }
    if (file < 0 && bytes > IN_MEMORY_BYTES_MAX) {
        return NULL;
    }
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, file, 0);
    close_fd(&file);
    return memory == MAP_FAILED ? NULL : memory;
}

static uint64_t mix(uint64_t device, uint64_t inode) {
    uint64_t hash = (inode ^ device << 32 ^ device >> 32) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

/* Returns the slot of the file, or the free slot for it. */
static struct link_slot *slot_of(struct link_slot *slots, size_t capacity, uint64_t device, uint64_t inode) {
    for (size_t at = (size_t)mix(device, inode);; at++) {
        struct link_slot *slot = &slots[at & (capacity - 1)];
        if (slot->position == 0 || (slot->device == device && slot->inode == inode)) {
            return slot;
        }
    }
}

static int grow(struct links *links, struct failure *failure) {
    size_t capacity = links->capacity == 0 ? SLOTS_FIRST : links->capacity * 2;
    struct link_slot *slots = new_table(links->folder, capacity * sizeof *slots);
    if (slots == NULL) {
        return fail(failure, "IO_ERROR", "no space for a table of %zu hard links", capacity);
    }
    for (size_t i = 0; i < links->capacity; i++) {
        const struct link_slot *old = &links->slots[i];
        if (old->position != 0) {
            *slot_of(slots, capacity, old->device, old->inode) = *old;
        }
    }
    if (links->slots != NULL) {
        munmap(links->slots, links->capacity * sizeof *slots);
    }
    links->slots = slots;
    links->capacity = capacity;
    return 0;
}

int links_add(struct links *links, const struct stat *status, const char *path, char *first, struct failure *failure) {
    uint64_t device = (uint64_t)status->st_dev, inode = (uint64_t)status->st_ino;
    if (status->st_nlink <= 1) {
        return 0;
    }
    if (links->count >= links->capacity / 4 * 3 && grow(links, failure) != 0) {
        return -1;
    }
    struct link_slot *slot = slot_of(links->slots, links->capacity, device, inode);
    uint32_t length = 0;
    if (slot->position != 0) {
        uint64_t at = slot->position - 1;
        if (spool_read(&links->paths, at, &length, sizeof length, failure) != 0) {
            return -1;
        }
        if (length > LINKS_NAME_MAX) {
            return fail(failure, "IO_ERROR", "a table of hard links is broken");
        }
        if (spool_read(&links->paths, at + sizeof length, first, length, failure) != 0) {
            return -1;
        }
        first[length] = '\0';
        return 1;
    }
    struct {
        uint32_t length;
        char path[LINKS_NAME_MAX];
    } record;
    length = (uint32_t)strlen(path);
    if (length > LINKS_NAME_MAX) {
        return fail(failure, "IO_ERROR", "a path is too long for the table of hard links");
    }
    record.length = length;
    memcpy(record.path, path, length);
    *slot = (struct link_slot){device, inode, spool_length(&links->paths) + 1};
    links->count++;
    return spool_append(&links->paths, &record, sizeof record.length + length, failure);
}
