"""Small, full and read-only file systems for a test, in a mount namespace that ends with the test."""

import os
import subprocess
import tempfile


class Mounted:
    """A mounted file system. `path` is its place for this process. `close` and the end of this process unmount it."""

    def __init__(self, command, namespaces):
        self.folder = tempfile.mkdtemp()
        script = (
            f'{command} && echo mounted && '
            'while read -r line; do if eval "$line"; then echo done; else echo failed; fi; done'
        )
        self.holder = subprocess.Popen(
            ['unshare', *namespaces, 'sh', '-c', script, self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.path = f'/proc/{self.holder.pid}/root{self.folder}'
        if self.holder.stdout.readline() != 'mounted\n':
            text = self.holder.stderr.read().strip()
            self.close()
            raise NotPossible(f'{command.split()[0]} is not possible here: {text}')

    def run(self, line):
        self.holder.stdin.write(line + '\n')
        self.holder.stdin.flush()
        assert self.holder.stdout.readline() == 'done\n', line

    def close(self):
        self.holder.communicate('')
        os.rmdir(self.folder)


class NotPossible(Exception):
    pass


def tmpfs(options):
    return Mounted(f'mount -t tmpfs -o {options} tmpfs "$0"', ['--user', '--map-root-user', '--mount'])


def ext4(image, size, options=''):
    """Mounts an ext4 file system in the file `image`, without blocks reserved for root."""
    with open(image, 'wb') as opened:
        opened.truncate(size)
    try:
        subprocess.run(
            ['mkfs.ext4', '-q', '-m', '0', *options.split(), image],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossible(f'mkfs.ext4 is not possible here: {error}') from error
    return Mounted(f'mount -o loop "{image}" "$0"', ['--mount'])


def fill_up(path, leave=0):
    """Fills the file system except for `leave` bytes, with the file `filler`."""
    filler = os.open(os.path.join(path, 'filler'), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    size = 1 << 20
    while size >= 512:
        try:
            os.write(filler, bytes(size))
        except OSError:
            size //= 2
    if leave > 0:
        os.ftruncate(filler, max(0, os.fstat(filler).st_size - leave))
    os.close(filler)
