"""A file system with the rules of those over object stores, such as GCS FUSE and Mountpoint.

usage: object_store_fuse.py FOLDER MOUNTPOINT

A file is complete when it is closed, and fsync completes nothing. Writes are sequential, and only to
new files. There is no rename, no link and no change of a file. Modes and owners cannot be changed.
Complete files are kept in FOLDER.
"""

import errno
import os
import stat
import sys
import time

import mfusepy

OWNER = 65532


class ObjectStore(mfusepy.Operations):
    use_ns = True

    def __init__(self, folder):
        self.folder = folder
        # The content of files that are not closed, by path.
        self.pending = {}

    def _real(self, path):
        return os.path.join(self.folder, path.lstrip("/"))

    def getattr(self, path, fh=None):
        if path in self.pending:
            return self._attributes(stat.S_IFREG | 0o644, len(self.pending[path]), time.time_ns())
        found = os.lstat(self._real(path))
        mode = stat.S_IFDIR | 0o755 if stat.S_ISDIR(found.st_mode) else stat.S_IFREG | 0o644
        return self._attributes(mode, found.st_size, found.st_mtime_ns)

    def _attributes(self, mode, size, time):
        times = {"st_mtime": time, "st_ctime": time, "st_atime": time}
        return {"st_mode": mode, "st_nlink": 1, "st_size": size, "st_uid": OWNER, "st_gid": OWNER, **times}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self._real(path))]

    def mkdir(self, path, mode):
        os.mkdir(self._real(path))

    def rmdir(self, path):
        os.rmdir(self._real(path))

    def unlink(self, path):
        os.unlink(self._real(path))

    def create(self, path, mode, fi=None):
        if path in self.pending or os.path.lexists(self._real(path)):
            raise mfusepy.FuseOSError(errno.EEXIST)
        self.pending[path] = bytearray()
        return 0

    def open(self, path, flags):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_TRUNC):
            raise mfusepy.FuseOSError(errno.EPERM)
        if not os.path.exists(self._real(path)):
            raise mfusepy.FuseOSError(errno.ENOENT)
        return 0

    def read(self, path, size, offset, fh):
        with open(self._real(path), "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def write(self, path, data, offset, fh):
        content = self.pending.get(path)
        if content is None or offset != len(content):
            raise mfusepy.FuseOSError(errno.EINVAL)
        content.extend(data)
        return len(data)

    def flush(self, path, fh):
        content = self.pending.pop(path, None)
        if content is not None:
            with open(self._real(path), "xb") as file:
                file.write(content)

    def fsync(self, path, datasync, fh):
        return 0

    def chmod(self, path, mode):
        return 0

    def chown(self, path, uid, gid):
        return 0

    def statfs(self, path):
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 2**30, "f_bfree": 2**30, "f_bavail": 2**30}

    def refuse(self, *arguments):
        raise mfusepy.FuseOSError(errno.EPERM)

    rename = link = symlink = truncate = utimens = refuse


if __name__ == "__main__":
    mfusepy.FUSE(ObjectStore(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, allow_other=True)
