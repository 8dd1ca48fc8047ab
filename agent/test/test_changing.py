"""Packs trees that change meanwhile: produces one state or FILE_CHANGED, never parts of two contents."""

import io
import os
import random
import subprocess
import tarfile
import threading
import time
import unittest

from volumes import TOOL, VolumeTest, set_time

SIZE = 3_000_000


def fill(path, letter, size=SIZE):
    with open(path, 'wb') as opened:
        opened.write(letter * size)


class Packing:
    """A pack that blocks on its output pipe after the first bytes."""

    def __init__(self, tree):
        self.process = subprocess.Popen(
            [TOOL, 'pack', tree, '', '--chunk', '4096'], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.begin = self.process.stdout.read(8192)

    def end(self):
        """Returns the archive (None on failure) and the text of stderr."""
        rest, text = self.process.communicate(timeout=60)
        return (self.begin + rest if self.process.returncode == 0 else None), text.decode()


def contents(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {
            entry.name.removeprefix('./'): opened.extractfile(entry).read() if entry.isreg() else entry.linkname
            for entry in opened
        }


class Changing(VolumeTest):
    def packing(self):
        """Returns a pack that is in the middle of the file `a`, before `b/c` and `d`."""
        self.tree = self.new_folder()
        fill(self.path('a'), b'1')
        os.mkdir(self.path('b'))
        fill(self.path('b/c'), b'2')
        fill(self.path('d'), b'3')
        # The clock of file systems is coarse: a change in the same tick is not detectable.
        set_time(self.path('a'), 10**9)
        return Packing(self.tree)

    def path(self, name):
        return os.path.join(self.tree, name)

    def changed(self, packing, path):
        archive, text = packing.end()
        self.assertIsNone(archive)
        self.assertTrue(text.startswith('FILE_CHANGED '), text)
        self.assertIn(f'path={path} ', text)

    def test_a_file_that_shrinks_is_told(self):
        for size in (0, 100_000, SIZE - 1):
            packing = self.packing()
            os.truncate(self.path('a'), size)
            self.changed(packing, 'a')

    def test_a_file_that_is_written_anew_is_told(self):
        packing = self.packing()
        with open(self.path('a'), 'r+b') as opened:
            opened.seek(SIZE - 10)
            opened.write(b'new')
        self.changed(packing, 'a')
        packing = self.packing()
        fill(self.path('a'), b'9')
        self.changed(packing, 'a')

    def test_a_file_that_grows_is_what_it_was(self):
        packing = self.packing()
        with open(self.path('a'), 'ab') as opened:
            opened.write(b'more' * 1000)
        archive, _ = packing.end()
        self.assertEqual(contents(archive)['a'], b'1' * SIZE)

    def test_an_open_file_stays_what_it_was_when_its_name_gets_another_one_or_goes(self):
        for change in (
            lambda: os.unlink(self.path('a')),
            lambda: (fill(self.path('new'), b'9'), os.replace(self.path('new'), self.path('a'))),
        ):
            packing = self.packing()
            change()
            archive, _ = packing.end()
            self.assertEqual(contents(archive)['a'], b'1' * SIZE)

    def test_a_file_that_vanishes_before_its_turn_is_told(self):
        packing = self.packing()
        os.unlink(self.path('d'))
        self.changed(packing, 'd')

    def test_a_file_that_is_replaced_before_its_turn_is_the_new_one_whole(self):
        packing = self.packing()
        fill(self.path('new'), b'9', SIZE // 2)
        os.replace(self.path('new'), self.path('d'))
        archive, _ = packing.end()
        self.assertEqual(contents(archive)['d'], b'9' * (SIZE // 2))

    def test_a_file_that_becomes_something_else_is_told(self):
        for make in (os.mkdir, os.mkfifo, lambda path: os.symlink('/etc/passwd', path)):
            packing = self.packing()
            os.unlink(self.path('d'))
            make(self.path('d'))
            self.changed(packing, 'd')

    def test_a_folder_that_becomes_a_link_is_not_followed(self):
        outside = self.new_folder()
        fill(os.path.join(outside, 'c'), b'secret', 10)
        packing = self.packing()
        os.rename(self.path('b'), self.path('elsewhere'))
        os.symlink(outside, self.path('b'))
        archive, text = packing.end()
        self.assertIsNone(archive)
        self.assertTrue(text.startswith('FILE_CHANGED '), text)

    def test_a_folder_that_becomes_a_link_while_it_is_read_is_still_the_folder(self):
        outside = self.new_folder()
        fill(os.path.join(outside, 'd'), b'secret', 10)
        self.tree = self.new_folder()
        os.mkdir(self.path('b'))
        fill(self.path('b/a'), b'1')
        fill(self.path('b/d'), b'2')
        packing = Packing(self.tree)
        os.rename(self.path('b'), self.path('elsewhere'))
        os.symlink(outside, self.path('b'))
        archive, _ = packing.end()
        self.assertEqual(contents(archive)['b/d'], b'2' * SIZE)

    def test_a_deep_folder_whose_way_becomes_a_link_is_not_read_through_it(self):
        self.tree = self.new_folder()
        deep = 'x/' * 60
        os.makedirs(self.path(deep))
        fill(self.path(deep + 'a'), b'1')
        for level in range(60):
            fill(self.path('x/' * level + 'z'), b'2', 10)
        outside = self.new_folder()
        os.makedirs(os.path.join(outside, 'x/' * 60))
        for level in range(60):
            fill(os.path.join(outside, 'x/' * level, 'z'), b'secret', 10)
        packing = Packing(self.tree)
        os.rename(self.path('x'), self.path('elsewhere'))
        os.symlink(os.path.join(outside, 'x'), self.path('x'))
        archive, text = packing.end()
        self.assertIsNone(archive)
        self.assertTrue(text.startswith('FILE_CHANGED '), text)

    def test_files_that_are_replaced_all_the_time_are_whole_each(self):
        self.tree = self.new_folder()
        letters = b'abcdefgh'
        for i in range(20):
            fill(self.path(f'{i:02}'), letters[:1], 50_000)
        stop = time.monotonic() + 3
        enough = threading.Event()
        source = random.Random(1)

        def replace():
            while not enough.is_set():
                fill(self.path('.new'), bytes([source.choice(letters)]), source.randrange(1, 200_000))
                os.replace(self.path('.new'), self.path(f'{source.randrange(20):02}'))

        thread = threading.Thread(target=replace)
        thread.start()
        try:
            whole = self.count_whole(stop)
        finally:
            enough.set()
            thread.join()
        self.assertGreater(whole, 0)

    def count_whole(self, stop):
        whole = 0
        # A busy machine packs few archives in that time, of which each may be one that has changed.
        while time.monotonic() < stop or (whole == 0 and time.monotonic() < stop + 100):
            archive, text = Packing(self.tree).end()
            if archive is None:
                self.assertTrue(text.startswith('FILE_CHANGED '), text)
                continue
            whole += 1
            for name, content in contents(archive).items():
                # `.new` is being written, so it may be incomplete. The others are complete.
                self.assertLessEqual(len(set(content)), 1, name)
        return whole


if __name__ == '__main__':
    unittest.main()
