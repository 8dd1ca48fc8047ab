"""Unpacks unusual times, owners and records. As in other tar programs, none of them is an error."""

import os
import subprocess
import tarfile
import unittest

from blocks import ZEROS, file, header, octal, pad, pax
from volumes import VolumeTest, have, tool

LARGEST = 2**63 - 1


def base256(number):
    return b'\x80' + number.to_bytes(11, 'big')


# The unusual property, its entry, and the time of the result (None: as the file system stores it).
ODD = {
    'a float as Python writes it': (pax((b'mtime', b'1e-05')) + file(b'f', b'1'), 10_000),
    'a float with a plus': (pax((b'mtime', b'+1.5E+3')) + file(b'f', b'1'), 1_500_000_000_000),
    'a fraction of many digits': (pax((b'mtime', b'1.0000000019999999')) + file(b'f', b'1'), 1_000_000_001),
    'a negative fraction of many digits': (pax((b'mtime', b'-0.0000000001')) + file(b'f', b'1'), -1),
    'the largest time of 64 bits': (pax((b'mtime', b'%d' % LARGEST)) + file(b'f', b'1'), None),
    'a time beyond 64 bits': (pax((b'mtime', b'9' * 40)) + file(b'f', b'1'), None),
    'the largest time of 64 bits in base 256': (file(b'f', b'1', mtime=base256(LARGEST)), None),
    'a time that is no number': (pax((b'mtime', b'yesterday')) + file(b'f', b'1', mtime=octal(7)), 7 * 10**9),
    'a time of two points': (pax((b'mtime', b'1.2.3')) + file(b'f', b'1', mtime=octal(7)), 7 * 10**9),
    'an exponent without digits': (pax((b'mtime', b'1e')) + file(b'f', b'1', mtime=octal(7)), 7 * 10**9),
    'a time that is no number in the header': (file(b'f', b'1', mtime=b'yesterday.\0'), 0),
    'a time beyond 64 bits in base 256': (file(b'f', b'1', mtime=b'\xbf' + b'\xff' * 11), 0),
    'the user -1': (pax((b'uid', b'-1'), (b'gid', b'-1')) + file(b'f', b'1'), 0),
    'a user that is no number': (pax((b'uid', b'root')) + file(b'f', b'1'), 0),
    'a user beyond 32 bits': (pax((b'uid', b'4294967296'), (b'gid', b'99999999999999999999')) + file(b'f', b'1'), 0),
    'a user that is no number in the header': (file(b'f', b'1', uid=b'root\0\0\0'), 0),
    'records of other vendors': (
        pax((b'VENDOR.x', b'\xff\0\n'), (b'GNU.sparse.new', b'x'), (b'atime', b'x'), (b'uname', b'\xff'))
        + file(b'f', b'1'),
        0,
    ),
    'numbers with garbage behind their end': (
        file(b'f', b'1', mode=b'644\0junk'[:7], mtime=b'11\0garbage', uid=b'7 junk'),
        9 * 10**9,
    ),
}
PROGRAMS = [['tar', '-xf'], ['bsdtar', '-xf'], ['busybox', 'tar', '-xf']]


class Odd(VolumeTest):
    def unpacked_by(self, program, archive):
        """Returns the content of the file that the program extracts, or None."""
        folder = self.new_folder()
        path = os.path.join(folder, 'archive.tar')
        with open(path, 'wb') as opened:
            opened.write(archive)
        subprocess.run(
            [*program, path, '-C', folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        try:
            with open(os.path.join(folder, 'f'), 'rb') as opened:
                return opened.read()
        except FileNotFoundError:
            return None

    def test_no_odd_time_owner_or_record_refuses_an_archive(self):
        for what, (entry, time) in ODD.items():
            for words in ([], ['--keep-owner'], ['--chunk', '1']):
                with self.subTest(what=what, words=words):
                    path = os.path.join(self.unpacked(entry + ZEROS, *words), 'f')
                    with open(path, 'rb') as opened:
                        self.assertEqual(opened.read(), b'1')
                    if time is not None:
                        self.assertEqual(os.stat(path).st_mtime_ns, time)
                    self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)

    def test_other_programs_take_the_content_too(self):
        programs = [program for program in PROGRAMS if have(program[0])]
        if not programs:
            self.skipTest('no other tar program is installed')
        for what, (entry, _) in ODD.items():
            with self.subTest(what=what):
                taken = [program[0] for program in programs if self.unpacked_by(program, entry + ZEROS) == b'1']
                self.assertGreaterEqual(len(taken), 1, f'no program takes it: {what}')

    def test_a_user_that_is_none_leaves_the_files_owner_as_it_is(self):
        if os.geteuid() != 0:
            self.skipTest('only root changes owners')
        for records in (
            [(b'uid', b'-1'), (b'gid', b'7')],
            [(b'uid', b'4294967296'), (b'gid', b'7')],
            [(b'uid', b'4294967295'), (b'gid', b'7')],
        ):
            folder = self.unpacked(
                pax(*records) + file(b'f') + pax(*records) + header(b'd/', b'5', mode=b'0000755') + ZEROS,
                '--keep-owner',
            )
            for name in ('f', 'd'):
                status = os.stat(os.path.join(folder, name))
                self.assertEqual((status.st_uid, status.st_gid), (0, 7), records)

    def test_sizes_and_names_are_content_and_still_refuse_it(self):
        for entry in (
            pax((b'size', b'1e3')) + file(b'f', b'1'),
            header(b'f', size=b'1x\0') + pad(b'1'),
            pax((b'path', b'a\0b')) + file(b'f'),
        ):
            self.fails('CORRUPT_ARCHIVE', 'unpack', self.new_folder(), stdin=entry + ZEROS)


class Headers(VolumeTest):
    def test_a_second_extended_header_replaces_the_first(self):
        first = pax((b'path', b'leaked'), (b'mtime', b'5'), (b'GNU.sparse.size', b'9'), (b'GNU.sparse.map', b'0,1'))
        for second in (pax((b'mtime', b'7')), pax((b'comment', b'x')), header(b'pax', b'x')):
            folder = self.unpacked(first + second + file(b'f', b'1') + ZEROS)
            self.assertEqual(os.listdir(folder), ['f'])
            self.assertNotEqual(os.stat(os.path.join(folder, 'f')).st_mtime, 5)
            self.assertEqual(os.stat(os.path.join(folder, 'f')).st_size, 1)

    def test_our_own_archive_written_again_by_python_is_the_same_tree(self):
        folder = self.unpacked(file(b'implied/f', b'1') + ZEROS)
        os.utime(os.path.join(folder, 'implied', 'f'), ns=(1, 1))
        self.assertEqual(os.stat(os.path.join(folder, 'implied')).st_mtime_ns, 0)
        again = os.path.join(self.folder, 'again.tar')
        ours = os.path.join(self.folder, 'ours.tar')
        with open(ours, 'wb') as opened:
            opened.write(tool('pack', folder, '')[0])
        with tarfile.open(ours) as source, tarfile.open(again, 'w', format=tarfile.PAX_FORMAT) as target:
            for entry in source:
                target.addfile(entry, source.extractfile(entry) if entry.isfile() else None)
        with open(again, 'rb') as opened:
            self.assert_same_tree(folder, self.unpacked(opened.read()))

    def test_a_hard_link_to_a_symbolic_link_is_one_again(self):
        tree = self.new_folder()
        os.symlink('nowhere', os.path.join(tree, 'a'))
        os.link(os.path.join(tree, 'a'), os.path.join(tree, 'b'), follow_symlinks=False)
        archive, _ = tool('pack', tree, '')
        self.assert_same_tree(tree, self.unpacked(archive))
        copy = self.new_folder()
        tool('copy', tree, '', copy)
        self.assert_same_tree(tree, copy)
        with open(os.path.join(self.folder, 'a.tar'), 'wb') as opened:
            opened.write(archive)
        for program in PROGRAMS[:2]:
            if have(program[0]):
                folder = self.new_folder()
                subprocess.run([*program, os.path.join(self.folder, 'a.tar'), '-C', folder], check=True)
                self.assertEqual(
                    os.lstat(os.path.join(folder, 'a')).st_ino, os.lstat(os.path.join(folder, 'b')).st_ino, program
                )


class Implied(VolumeTest):
    """A folder without an entry does not change an existing folder of the target. One with an entry does."""

    def merged(self, archive):
        target = self.new_folder()
        os.mkdir(os.path.join(target, 'd'), 0o711)
        os.utime(os.path.join(target, 'd'), (5, 5))
        tool('commit', self.unpacked(archive + ZEROS), target)
        return os.stat(os.path.join(target, 'd'))

    def test_only_an_implied_folder_keeps_what_the_target_has(self):
        self.assertEqual(self.merged(file(b'd/f')).st_mode & 0o777, 0o711)
        for time in (0, 1, 2):
            status = self.merged(header(b'd/', b'5', mode=b'0000755', mtime=octal(time)) + file(b'd/f'))
            self.assertEqual((status.st_mode & 0o777, status.st_mtime), (0o755, time))
        status = self.merged(file(b'd/f') + header(b'd/', b'5', mode=b'0000750', mtime=octal(0)))
        self.assertEqual((status.st_mode & 0o777, status.st_mtime), (0o750, 0))


if __name__ == '__main__':
    unittest.main()
