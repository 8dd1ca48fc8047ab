"""Disks that are full, without free inodes, or read-only, and folders of another user.

A failure changes nothing. Readable content stays readable.
"""

import os
import unittest

from blocks import ZEROS, file, header
from mounts import NotPossible, ext4, fill_up, tmpfs
from volumes import NOBODY, ToolFailed, VolumeTest, set_time, snapshot, tool


def many(count, name=b'%05d-' + b'n' * 80):
    return b''.join(file(name % i) for i in range(count)) + ZEROS


class FullTest(VolumeTest):
    def mounted(self, make, *words):
        try:
            mounted = make(*words)
        except NotPossible as error:
            self.skipTest(str(error))
        self.addCleanup(mounted.close)
        return mounted

    def folders(self, mounted, *names):
        paths = [os.path.join(mounted.path, name) for name in names]
        for path in paths:
            os.mkdir(path, 0o755)
        return paths


class Full(FullTest):
    def test_a_full_disk_while_unpacking(self):
        disk = self.mounted(tmpfs, 'size=2m')
        (staging,) = self.folders(disk, 'staging')
        text = self.fails(
            'DISK_FULL', 'unpack', staging, stdin=file(b'a', b'x' * 100_000) + file(b'b', b'x' * 3_000_000) + ZEROS
        )
        self.assertIn('entry=b', text)
        tool('empty', staging)
        self.assertEqual(os.listdir(staging), [])

    def test_no_inodes_left_while_unpacking(self):
        disk = self.mounted(tmpfs, 'size=4m,nr_inodes=50')
        (staging,) = self.folders(disk, 'staging')
        for archive in (
            many(100),
            b''.join(header(b'%d/' % i, b'5') for i in range(100)) + ZEROS,
            b''.join(header(b'%d' % i, b'2', link=b'x') for i in range(100)) + ZEROS,
        ):
            self.fails('DISK_FULL', 'unpack', staging, stdin=archive)
            tool('empty', staging)
            self.assertEqual(os.listdir(staging), [])

    def test_a_full_disk_at_the_commit_leaves_the_target_alone(self):
        disk = self.mounted(tmpfs, 'size=4m')
        staging, target = self.folders(disk, 'staging', 'target')
        tool('unpack', target, stdin=header(b'd/', b'5', mode=b'0000755') + file(b'd/old', b'1') + ZEROS)
        tool(
            'unpack',
            staging,
            stdin=header(b'd/', b'5', mode=b'0000700') + file(b'd/new', b'2') + file(b'f', b'3') + ZEROS,
        )
        before = snapshot(target)
        fill_up(disk.path)
        self.fails('DISK_FULL', 'commit', staging, target)
        self.assertEqual(snapshot(target), before)
        tool('empty', staging)
        os.unlink(os.path.join(disk.path, 'filler'))

    def test_a_folder_of_the_target_that_cannot_grow_fails_before_the_first_move(self):
        disk = self.mounted(ext4, os.path.join(self.folder, 'image'), 24 * 2**20, '-b 1024 -I 256')
        complete = refused = 0
        for leave in (0, 20_000, 100_000, 400_000, 1_500_000):
            staging, target = self.folders(disk, 'staging', 'target')
            tool('unpack', target, stdin=file(b'old', b'1') + ZEROS)
            tool('unpack', staging, stdin=many(3000))
            before = snapshot(target)
            fill_up(disk.path, leave)
            try:
                tool('commit', staging, target)
                complete += 1
                self.assertEqual((len(os.listdir(target)), os.listdir(staging)), (3001, []))
            except ToolFailed as error:
                refused += 1
                self.assertEqual(error.code, 'DISK_FULL', error.text)
                self.assertEqual(snapshot(target), before, leave)
            os.unlink(os.path.join(disk.path, 'filler'))
            for path in (staging, target):
                tool('empty', path)
                os.rmdir(path)
        self.assertGreater(complete, 0)
        self.assertGreater(refused, 1)

    def test_a_commit_that_was_marked_goes_on_without_room_to_spare(self):
        disk = self.mounted(tmpfs, 'size=2m')
        staging, target = self.folders(disk, 'staging', 'target')
        tool('unpack', staging, stdin=file(b'f', b'3') + ZEROS)
        fill_up(disk.path)
        tool('commit', staging, target, '--resumed')
        self.assertEqual(os.listdir(target), ['f'])

    def test_folders_made_for_a_path_are_taken_back(self):
        root = self.new_folder()
        os.makedirs(os.path.join(root, 'a/b'))
        set_time(os.path.join(root, 'a/b'), 5)
        before = snapshot(root)
        tool('open', root, 'a/b/c/d', '--unmake')
        self.assertEqual(snapshot(root), before)
        tool('open', root, 'x', '--unmake')
        self.assertEqual(snapshot(root), before)
        tool('open', root, 'a/b', '--unmake')
        self.assertEqual(snapshot(root), before)
        disk = self.mounted(tmpfs, 'size=1m,nr_inodes=4')
        self.fails('DISK_FULL', 'open', disk.path, 'a/b/c/d')
        self.assertEqual(os.listdir(disk.path), [])

    def test_what_is_on_a_full_disk_can_be_packed(self):
        disk = self.mounted(tmpfs, 'size=64m')
        (tree,) = self.folders(disk, 'tree')
        # Enough files that their table would spill to a file.
        for i in range(25_000):
            path = os.path.join(tree, f'{i:05}{"n" * 40}')
            os.close(os.open(path, os.O_CREAT))
            os.link(path, path + '-')
        archive, _ = tool('pack', tree, '')
        fill_up(disk.path)
        self.assertEqual(tool('pack', tree, '')[0], archive)


class ReadOnly(FullTest):
    def test_what_is_read_only_can_be_packed_and_not_written_to(self):
        disk = self.mounted(tmpfs, 'size=4m')
        (tree,) = self.folders(disk, 'tree')
        tool('unpack', tree, stdin=many(50))
        archive, _ = tool('pack', tree, '')
        disk.run('mount -o remount,ro "$0"')
        self.assertEqual(tool('pack', tree, '')[0], archive)
        self.fails('NOT_PERMITTED', 'unpack', tree, stdin=file(b'f') + ZEROS)
        self.fails('NOT_PERMITTED', 'commit', self.unpacked(file(b'f') + ZEROS), tree)
        self.fails('NOT_PERMITTED', 'open', tree, 'new/folder')
        self.fails('NOT_PERMITTED', 'empty', tree)


class SomebodyElses(FullTest):
    """A commit checks permissions before its first change; a later failure would damage the volume."""

    def commit(self, staged, target_user=0, mode=0o755, make=b'd/old'):
        staging, target = self.new_folder(NOBODY), self.new_folder(NOBODY)
        tool('unpack', target, stdin=header(b'd/', b'5', mode=b'0000755') + file(make, b'1') + ZEROS, user=NOBODY)
        os.chown(os.path.join(target, 'd'), target_user, NOBODY)
        os.chmod(os.path.join(target, 'd'), mode)
        tool('unpack', staging, stdin=staged, user=NOBODY)
        self.before = snapshot(target)
        self.target = target
        return staging, target

    def refused(self, staging, target, path):
        self.assertIn(
            f'path={path} ', self.fails('NOT_PERMITTED', 'commit', staging, target, '--crash-at', '-1', user=NOBODY)
        )
        self.assertEqual(snapshot(target), self.before)

    def test_a_folder_without_the_right_to_write_into_it(self):
        self.refused(*self.commit(file(b'a', b'0') + file(b'd/new', b'2') + ZEROS), 'd')

    def test_a_folder_with_that_right_but_not_its_owners(self):
        # The archive sets its mode and time, which is not permitted.
        self.refused(*self.commit(header(b'd/', b'5', mode=b'0000755') + file(b'd/new', b'2') + ZEROS, mode=0o775), 'd')
        # An archive without an entry for the folder can be committed.
        staging, target = self.commit(file(b'd/new', b'2') + ZEROS, mode=0o775)
        tool('commit', staging, target, user=NOBODY)
        self.assertEqual(sorted(os.listdir(os.path.join(target, 'd'))), ['new', 'old'])

    def test_a_file_of_somebody_elses_in_a_sticky_folder(self):
        staging, target = self.commit(file(b'd/old', b'2') + ZEROS, mode=0o1777)
        os.chown(os.path.join(target, 'd/old'), 0, 0)
        self.refused(staging, target, 'd/old')

    def test_a_target_of_somebody_elses(self):
        staging, target = self.new_folder(NOBODY), self.new_folder()
        tool('unpack', staging, stdin=file(b'f', b'1') + ZEROS, user=NOBODY)
        self.before = snapshot(target)
        self.refused(staging, target, '')
        os.chmod(target, 0o777)
        tool('commit', staging, target, user=NOBODY)
        self.assertEqual(os.listdir(target), ['f'])


if __name__ == '__main__':
    unittest.main()
