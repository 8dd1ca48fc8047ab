"""Runs volume_tool, creates random trees, and compares trees."""

import hashlib
import os
import random
import shutil
import stat
import subprocess
import tempfile
import unittest

TOOL = os.environ['VOLUME_TOOL']
WORK = os.environ['VOLUME_WORK']
NOBODY = 65534


class ToolFailed(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.code = text.split(' ', 1)[0]
        self.text = text


def tool(*words, stdin=b'', user=None):
    """Runs volume_tool; returns (stdout, stderr)."""
    extra = {} if user is None else {'user': user, 'group': user, 'extra_groups': []}
    done = subprocess.run(
        [TOOL, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **extra
    )
    text = done.stderr.decode('utf-8', 'replace')
    if done.returncode != 0:
        raise ToolFailed(done.returncode, text)
    return done.stdout, text


def have(program):
    return shutil.which(program) is not None


class VolumeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=WORK)
        os.chmod(self.folder, 0o755)
        self.count = 0

    def tearDown(self):
        subprocess.run(['chmod', '-R', 'u+rwX', self.folder], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(['rm', '-rf', self.folder], check=True)

    def new_folder(self, user=None):
        self.count += 1
        path = os.path.join(self.folder, str(self.count))
        os.mkdir(path, 0o755)
        if user is not None:
            os.chown(path, user, user)
        return path

    def fails(self, code, *words, **options):
        with self.assertRaises(ToolFailed) as caught:
            tool(*words, **options)
        self.assertEqual(caught.exception.code, code, caught.exception.text)
        return caught.exception.text

    def unpacked(self, archive, *words, user=None):
        folder = self.new_folder(user)
        tool('unpack', folder, *words, stdin=archive, user=user)
        return folder

    def assert_same_tree(self, one, other, nanoseconds=True):
        first, second = snapshot(one, nanoseconds), snapshot(other, nanoseconds)
        self.assertEqual(sorted(first), sorted(second))
        for path, facts in first.items():
            self.assertEqual(facts, second[path], path)


def snapshot(root, nanoseconds=True):
    """Returns every path below `root` with all attributes that an archive stores."""
    root = os.fsencode(root)
    result = {}
    names = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            kind = stat.S_IFMT(status.st_mode)
            content = None
            if kind == stat.S_IFLNK:
                content = os.readlink(path)
            elif kind == stat.S_IFREG:
                with open(path, 'rb') as file:
                    content = (status.st_size, hashlib.sha256(file.read()).digest())
                names.setdefault((status.st_dev, status.st_ino), []).append(relative)
            time = status.st_mtime_ns if nanoseconds else status.st_mtime_ns // 10**9
            mode = 0 if kind == stat.S_IFLNK else stat.S_IMODE(status.st_mode)
            result[relative] = (kind, mode, time, content)
    result[b'hard links'] = sorted(sorted(group) for group in names.values() if len(group) > 1)
    return result


def set_time(path, nanoseconds):
    os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)


class TreeMaker:
    """Creates a random tree.

    `plain`: nothing that the old formats cannot hold. `past`: times before 1970, which most programs
    get wrong. `utf8`: only names in UTF-8.
    """

    def __init__(self, seed, root, plain=False, entries=60, user=None, past=False, largest=300_000, utf8=False):
        self.random = random.Random(seed)
        self.root = os.fsencode(root)
        self.plain = plain
        self.past = past
        self.utf8 = utf8
        self.largest = largest
        self.files = []
        self.folders = [self.root]
        self.user = user
        for _ in range(entries):
            self.entry()
        self.finish()

    def name(self):
        kinds = ['short', 'short', 'space', 'utf8', 'hidden']
        if not self.plain:
            kinds += ['long', 'newline', 'dash', 'dash' if self.utf8 else 'bytes']
        kind = self.random.choice(kinds)
        base = b'%06x' % self.random.randrange(1 << 24)
        return {
            'short': base,
            'space': base + b' a b',
            'utf8': base + 'äöü→'.encode(),
            'hidden': b'.' + base,
            'long': base * self.random.randrange(17, 42),
            'bytes': base + b'\xff\xfe\x80',
            'newline': base + b'\n\t\\',
            'dash': b'-' + base,
        }[kind]

    def time(self):
        seconds = self.random.randrange(0, 2 * 10**9)
        if self.plain:
            return seconds * 10**9
        if self.past and self.random.random() < 0.2:
            seconds = -self.random.randrange(10**9)
        return seconds * 10**9 + self.random.choice([0, 1, 500_000_000, self.random.randrange(10**9)])

    def content(self):
        size = self.random.choice(
            [0, 1, 511, 512, 513, 1024, self.random.randrange(5000), self.random.randrange(self.largest)]
        )
        return self.random.randbytes(size)

    def entry(self):
        parent = self.random.choice(self.folders[-8:] if self.random.random() < 0.7 else self.folders)
        path = os.path.join(parent, self.name())
        if len(path) - len(self.root) > (80 if self.plain else 3000):
            return
        kind = self.random.choice(['file'] * 6 + ['folder'] * 4 + ['link', 'hard', 'sparse'])
        if kind == 'folder':
            os.mkdir(path)
            self.folders.append(path)
        elif kind == 'file':
            with open(path, 'wb') as file:
                file.write(self.content())
            self.files.append(path)
        elif kind == 'link':
            target = self.random.choice([b'x', b'../up', b'/absolute/x', b'd/' * (20 if self.plain else 150) + b'e'])
            os.symlink(target, path)
            set_time(path, self.time())
        elif kind == 'hard' and self.files:
            os.link(self.random.choice(self.files), path)
        elif kind == 'sparse':
            with open(path, 'wb') as file:
                for _ in range(self.random.randrange(0, 9)):
                    file.seek(self.random.randrange(8) * min(65536, self.largest), 1)
                    file.write(self.random.randbytes(self.random.randrange(1, 9000)))
                file.truncate(file.tell() + self.random.choice([0, 100_000]))
            self.files.append(path)

    def finish(self):
        for path in self.files:
            os.chmod(path, self.random.choice([0o644, 0o755, 0o444, 0o600, 0o777, 0o400]))
            set_time(path, self.time())
        for path in reversed(self.folders[1:]):
            os.chmod(path, self.random.choice([0o755, 0o755, 0o700, 0o555, 0o1777]))
            set_time(path, self.time())
        if self.user is not None:
            subprocess.run(['chown', '-hR', f'{self.user}:{self.user}', self.root], check=True)
