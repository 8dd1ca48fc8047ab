"""The limits of formats and file systems: names, paths, ids, times, sizes, numbers of links and entries."""

import io
import os
import subprocess
import tarfile
import unittest

from blocks import ZEROS, file, header, octal, pad, pax, record
from volumes import TOOL, VolumeTest, set_time, snapshot, tool


def write(path, content=b''):
    with open(path, 'wb') as opened:
        opened.write(content)


def read(path):
    with open(path, 'rb') as opened:
        return opened.read()


def base256(number, length):
    return (
        (number % (1 << 8 * length - 1) | 1 << 8 * length - 1).to_bytes(length, 'big')
        if number >= 0
        else (number % (1 << 8 * length)).to_bytes(length, 'big')
    )


class Names(VolumeTest):
    def test_names_of_any_bytes_but_slash_and_nul(self):
        tree = self.new_folder()
        names = [bytes([byte]) for byte in range(1, 256) if byte not in b'/.'] + [
            bytes(range(1, 47)),
            bytes(range(48, 256)),
            b'\xff' * 255,
            b'a' * 255,
            b'\n',
            b' ',
            b'\\',
        ]
        for name in names:
            write(os.path.join(os.fsencode(tree), name), name)
        archive, _ = tool('pack', tree, '')
        copy = self.unpacked(archive)
        self.assert_same_tree(tree, copy)
        self.assertEqual(tool('pack', copy, '')[0], archive)

    def test_a_name_of_more_bytes_than_a_file_system_has_is_refused(self):
        self.unpacked(pax((b'path', b'n' * 255)) + file(b'f') + ZEROS)
        for name in (b'n' * 256, b'd/' + b'n' * 256, b'n' * 256 + b'/f'):
            self.assertIn(
                'entry=' + name.decode(),
                self.fails(
                    'UNSUPPORTED_ENTRY', 'unpack', self.new_folder(), stdin=pax((b'path', name)) + file(b'f') + ZEROS
                ),
            )

    def long_tree(self, length):
        """Creates a file with two names, a folder and a link, each at a path of `length` bytes."""
        tree = self.new_folder()
        at = os.open(tree, os.O_RDONLY)
        path = b''
        while length - len(path) > 202:
            name = b'd' * (200 if length - len(path) > 404 else 150)
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
            path += name + b'/'
        rest = length - len(path)
        with open(os.open(b'f' * rest, os.O_CREAT | os.O_WRONLY, dir_fd=at), 'wb') as opened:
            opened.write(b'content')
        os.link(b'f' * rest, b'g' * rest, src_dir_fd=at, dst_dir_fd=at)
        os.mkdir(b'k' * rest, dir_fd=at)
        os.symlink(b't' * 4095, b'l' * rest, dir_fd=at)
        os.close(at)
        return tree

    def test_the_longest_path_there_is_goes_up_and_down(self):
        for length in (255, 256, 4091, 4092, 4093, 4094, 4095):
            tree = self.long_tree(length)
            archive, _ = tool('pack', tree, '')
            for words in ([], ['--no-openat2', '--chunk', '100']):
                copy = self.unpacked(archive, *words)
                self.assertEqual(tool('pack', copy, '')[0], archive, length)
        other = self.new_folder()
        tool('copy', tree, '', other)
        self.assertEqual(tool('pack', other, '')[0], archive)

    def test_what_would_lie_too_deep_to_be_read_from_the_root_is_refused(self):
        archive = file(b'd/file') + ZEROS
        self.unpacked(archive, '--target', 'n' * (4095 - 7))
        text = self.fails('UNSUPPORTED_ENTRY', 'unpack', self.new_folder(), '--target', 'n' * (4095 - 6), stdin=archive)
        self.assertIn('entry=d/file', text)
        self.fails('UNSUPPORTED_ENTRY', 'unpack', self.new_folder(), '--target', 'n' * 4095, stdin=archive)
        tree = self.unpacked(archive)
        tool('copy', tree, '', self.new_folder(), '--target', 'n' * (4095 - 7))
        self.fails('UNSUPPORTED_ENTRY', 'copy', tree, '', self.new_folder(), '--target', 'n' * (4095 - 6))

    def test_a_longer_one_is_told(self):
        self.assertIn('longer than 4095 bytes', self.fails('IO_ERROR', 'pack', self.long_tree(4096), ''))
        for name in (b'n/' * 2047 + b'nn', b'n/' * 2048 + b'n'):
            self.fails(
                'UNSUPPORTED_ENTRY', 'unpack', self.new_folder(), stdin=pax((b'path', name)) + file(b'f') + ZEROS
            )

    def test_a_prefix_is_part_of_the_name_in_ustar_and_not_in_others(self):
        folder = self.unpacked(
            file(b'f', b'1', prefix=b'd/e') + file(b'g', b'2', magic=b'ustar  \0', prefix=b'x') + ZEROS
        )
        self.assertEqual((read(os.path.join(folder, 'd/e/f')), read(os.path.join(folder, 'g'))), (b'1', b'2'))


class Numbers(VolumeTest):
    def test_times_before_1970_and_after_2242_with_nanoseconds(self):
        times = [
            -1,
            -(10**9),
            -(10**9) - 1,
            -1_250_000_000,
            0,
            1,
            2**31 * 10**9,
            2**32 * 10**9 + 999_999_999,
            2**33 * 10**9 + 1,
            2**33 * 10**9 - 1,
        ]
        tree = self.new_folder()
        for time in times:
            path = os.path.join(tree, str(time))
            write(path)
            set_time(path, time)
            os.symlink('x', path + '.link')
            set_time(path + '.link', time)
        if os.stat(os.path.join(tree, str(times[-2]))).st_mtime_ns != times[-2]:
            self.skipTest('the file system has no such times')
        archive, _ = tool('pack', tree, '')
        self.assert_same_tree(tree, self.unpacked(archive))
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            for entry in opened:
                wanted = int(entry.name.removeprefix('./').removesuffix('.link'))
                self.assertAlmostEqual(entry.mtime, wanted / 10**9, places=5)

    def test_numbers_in_base_256_and_octal_of_all_widths(self):
        for mtime, seconds in [
            (base256(5, 12), 5),
            (base256(-5, 12), -5),
            (base256(2**40, 12), 2**40),
            (b'00000000007\0', 7),
            (b'7 \0\0\0\0\0\0\0\0\0\0', 7),
            (b'    7      \0', 7),
            (b'\0' * 12, 0),
            (b'777777777777', 8**12 - 1),
        ]:
            folder = self.unpacked(header(b'f', mtime=mtime) + ZEROS)
            status = os.stat(os.path.join(folder, 'f'))
            if status.st_mtime == seconds or seconds < 2**33:
                self.assertEqual(status.st_mtime, seconds, mtime)
        folder = self.unpacked(header(b'f', size=base256(3, 12)) + pad(b'abc') + ZEROS)
        self.assertEqual(read(os.path.join(folder, 'f')), b'abc')
        for size in (
            base256(-1, 12),
            base256(2**64, 12),
            b'\xff' + bytes(11),
            b'-0000000001\0',
            b'00000000008\0',
            b'0x000000001\0',
        ):
            self.assertIn(
                'entry=f',
                self.fails(
                    'CORRUPT_ARCHIVE', 'unpack', self.new_folder(), stdin=header(b'f', size=size) + pad(b'abc') + ZEROS
                ),
            )
        self.assertIn(
            'entry=f',
            self.fails(
                'TRUNCATED_ARCHIVE',
                'unpack',
                self.new_folder(),
                stdin=header(b'f', size=base256(2**62, 12)) + pad(b'abc') + ZEROS,
            ),
        )
        self.fails(
            'ARTIFACT_TOO_LARGE',
            'unpack',
            self.new_folder(),
            '--limit',
            '1000',
            stdin=header(b'f', size=base256(2**63 - 1, 12)) + ZEROS,
        )

    def test_the_sum_of_sizes_does_not_overflow(self):
        huge = pax((b'GNU.sparse.size', b'%d' % (2**63 - 100)), (b'GNU.sparse.map', b'0,0'))
        text = self.fails(
            'ARTIFACT_TOO_LARGE',
            'unpack',
            self.new_folder(),
            '--limit',
            str(2**63 - 1),
            stdin=file(b'a', b'x' * 200) + huge + file(b's') + ZEROS,
        )
        self.assertIn('entry=s', text)

    def test_ids_beyond_octal_are_kept_on_demand(self):
        for make in (lambda: pax((b'uid', b'4294967294'), (b'gid', b'3000000')) + file(b'f'),):
            folder = self.unpacked(make() + ZEROS, '--keep-owner')
            status = os.stat(os.path.join(folder, 'f'))
            self.assertEqual((status.st_uid, status.st_gid), (4294967294, 3000000))
            self.assertEqual(os.stat(os.path.join(self.unpacked(make() + ZEROS), 'f')).st_uid, 0)


class Headers(VolumeTest):
    def test_thousands_of_extended_headers_before_one_entry(self):
        many = b''.join(pax((b'comment', b'%d' % i), (b'mtime', b'%d.5' % i)) for i in range(5000))
        folder = self.unpacked(many + file(b'f', b'1') + ZEROS)
        self.assertEqual(os.stat(os.path.join(folder, 'f')).st_mtime_ns, 4999 * 10**9 + 5 * 10**8)
        folder = self.unpacked(
            b''.join(pax((b'comment', b'%d' % i), kind=b'g') for i in range(5000)) + file(b'f') + ZEROS
        )
        self.assertEqual(os.listdir(folder), ['f'])

    def test_one_extended_header_of_thousands_of_records(self):
        folder = self.unpacked(
            pax(*((b'vendor.%d' % i, b'x' * 10) for i in range(30_000)), (b'path', b'g')) + file(b'f') + ZEROS
        )
        self.assertEqual(os.listdir(folder), ['g'])

    def test_records_that_lie_about_their_length(self):
        good = record(b'path', b'other')
        for bad in [
            b'13' + good[2:],
            b'15' + good[2:],
            b'0' + good[2:],
            b'1' + good,
            b'-' + good,
            b' ' + good,
            good + b'x',
            good[:-1],
            good[:2],
            good[:3],
            b'%d' % (2**32 + 14) + good[2:],
            b'%d' % (2**64 + 14) + good[2:],
        ]:
            archive = header(b'pax', b'x', octal(len(bad))) + pad(bad) + file(b'f') + ZEROS
            self.fails('CORRUPT_ARCHIVE', 'unpack', self.new_folder(), stdin=archive)
        # The size in the header is wrong: the records continue in the padding or in the next block.
        self.fails(
            'CORRUPT_ARCHIVE',
            'unpack',
            self.new_folder(),
            stdin=header(b'pax', b'x', octal(len(good) - 1)) + pad(good) + file(b'f') + ZEROS,
        )

    def test_a_value_may_hold_newlines_and_equals_signs(self):
        name = b'a\n15 path=evil\n=b'
        self.assertEqual(os.listdir(os.fsencode(self.unpacked(pax((b'path', name)) + file(b'f') + ZEROS))), [name])

    def test_a_sparse_format_does_not_reach_into_the_next_entry(self):
        one = pax((b'GNU.sparse.major', b'1'), (b'GNU.sparse.minor', b'0'), (b'GNU.sparse.realsize', b'8')) + file(
            b's', pad(b'1\n4\n4\n') + b'tail'
        )
        text = self.fails(
            'UNSUPPORTED_ENTRY',
            'unpack',
            self.new_folder(),
            stdin=one + pax((b'GNU.sparse.realsize', b'8')) + file(b't', pad(b'1\n4\n4\n') + b'tail') + ZEROS,
        )
        self.assertIn('0.0', text)


class Holes(VolumeTest):
    def test_zeros_become_holes_and_data_stays(self):
        tree = self.new_folder()
        source = os.path.join(tree, 'f')
        with open(source, 'wb') as opened:
            for offset in (0, 5_000_000, 5_100_000, 20_000_001):
                opened.seek(offset)
                opened.write(b'x' * 10)
            opened.truncate(30_000_000)
        write(os.path.join(tree, 'zeros'), bytes(3_000_000))
        archive, _ = tool('pack', tree, '')
        for chunk in ('262144', '100003', '7'):
            if chunk == '7':
                small = self.new_folder()
                write(os.path.join(small, 'f'), bytes(70_000) + b'x' + bytes(70_000))
                self.assert_same_tree(small, self.unpacked(tool('pack', small, '')[0], '--chunk', '7'))
                continue
            copy = self.unpacked(archive, '--chunk', chunk)
            self.assert_same_tree(tree, copy)
            self.assertLess(os.stat(os.path.join(copy, 'f')).st_blocks * 512, 500_000)
            self.assertEqual(os.stat(os.path.join(copy, 'zeros')).st_blocks, 0)
            self.assertEqual(tool('pack', copy, '')[0], archive)

    def test_nine_gibibytes_pass_through(self):
        tree, copy = self.new_folder(), self.new_folder()
        with open(os.path.join(tree, 'huge'), 'wb') as opened:
            for offset in (0, 5 * 2**30 + 1, 9 * 2**30 - 1):
                opened.seek(offset)
                opened.write(b'x')
        pipeline = f'"{TOOL}" pack "{tree}" "" 2>"{tree}.log" | "{TOOL}" unpack "{copy}"'
        done = subprocess.run(['bash', '-o', 'pipefail', '-c', pipeline], stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b'entries=1 expanded=9663676416 skipped=0\n'))
        status = os.stat(os.path.join(copy, 'huge'))
        self.assertEqual(status.st_size, 9 * 2**30)
        self.assertLess(status.st_blocks * 512, 10 * 2**20)
        with open(os.path.join(copy, 'huge'), 'rb') as opened:
            for offset in (0, 5 * 2**30 + 1, 9 * 2**30 - 1):
                opened.seek(offset)
                self.assertEqual(opened.read(2)[:1], b'x')


class Many(VolumeTest):
    def test_a_folder_is_listed_in_parts_where_its_names_do_not_fit_into_memory(self):
        tree = self.new_folder()
        for i in range(3000):
            write(os.path.join(tree, f'{i * 7919 % 3001:04}-{"x" * (i % 200)}'), b'%d' % i)
        for i in range(40):
            os.makedirs(os.path.join(tree, 'd', f'{i * 17 % 41:02}', 'e'))
            for k in range(50):
                write(os.path.join(tree, 'd', f'{i * 17 % 41:02}', 'e', f'{k * 31 % 53}'), b'')
        archive, _ = tool('pack', tree, '')
        names = [entry.name for entry in tarfile.open(fileobj=io.BytesIO(archive))]
        self.assertEqual(len(names), 3000 + 1 + 40 * 52)
        self.assertEqual(names[:3000], sorted(names[:3000]))
        for memory in ('0', '9000', '50000', '1000000'):
            self.assertEqual(tool('pack', tree, '', '--walk-memory', memory)[0], archive, memory)
            copy, target = self.new_folder(), self.new_folder()
            tool('copy', tree, '', copy, '--walk-memory', memory)
            self.assertEqual(tool('pack', copy, '')[0], archive, memory)
            # The commit removes the entries that it processes.
            os.makedirs(os.path.join(target, 'd', '05', 'e'))
            tool('commit', copy, target, '--walk-memory', memory)
            self.assertEqual(tool('pack', target, '')[0], archive, memory)

    def test_folders_in_parts_below_more_folders_than_are_kept_open(self):
        tree = self.new_folder()
        at = tree
        for level in range(120):
            for i in range(30):
                write(os.path.join(at, f'{i:02}-{"y" * 200}'), b'')
            at = os.path.join(at, '15')
            os.mkdir(at)
        archive, _ = tool('pack', tree, '')
        self.assertEqual(tool('pack', tree, '', '--walk-memory', '0')[0], archive)
        self.assertEqual(tool('pack', self.unpacked(archive), '')[0], archive)

    def test_more_than_a_hundred_thousand_hard_links(self):
        tree = self.new_folder()
        os.mkdir(os.path.join(tree, 'one'))
        os.mkdir(os.path.join(tree, 'two'))
        for i in range(60_000):
            path = os.path.join(tree, 'one', f'{i:05}')
            write(path)
            os.link(path, os.path.join(tree, 'two', f'{i:05}'))
        archive, _ = tool('pack', tree, '')
        copy = self.unpacked(archive)
        self.assertEqual(len(os.listdir(os.path.join(copy, 'two'))), 60_000)
        for name in ('00000', '31234', '59999'):
            self.assertTrue(os.path.samefile(os.path.join(copy, 'one', name), os.path.join(copy, 'two', name)))
        self.assertEqual(tool('pack', copy, '')[0], archive)


class Odd(VolumeTest):
    def test_an_entry_may_come_before_its_folder_and_twice(self):
        folder = self.unpacked(
            file(b'd/f', b'1')
            + header(b'd/', b'5', mode=b'0000500', mtime=octal(9))
            + file(b'd/g', b'2')
            + header(b'd', b'5', mode=b'0000700', mtime=octal(8))
            + ZEROS
        )
        facts = snapshot(folder)
        self.assertEqual((facts[b'd'][1], facts[b'd'][2]), (0o700, 8 * 10**9))
        self.assertEqual(sorted(os.listdir(os.path.join(folder, 'd'))), ['f', 'g'])

    def test_a_hard_link_to_a_symbolic_link_is_that_link(self):
        folder = self.unpacked(header(b'l', b'2', link=b'nowhere') + header(b'h', b'1', link=b'l') + ZEROS)
        self.assertEqual(os.readlink(os.path.join(folder, 'h')), 'nowhere')

    def test_a_link_keeps_any_target(self):
        targets = [b'/etc/passwd', b'../../../up', b'.', b'..', b'/', b'a//b/./c', b'\xff\xfe', b' ', b'x' * 4095]
        folder = self.unpacked(
            b''.join(pax((b'linkpath', target)) + header(b'l%d' % i, b'2') for i, target in enumerate(targets)) + ZEROS
        )
        self.assertEqual(
            [os.readlink(os.path.join(os.fsencode(folder), b'l%d' % i)) for i in range(len(targets))], targets
        )
        self.fails(
            'UNSUPPORTED_ENTRY',
            'unpack',
            self.new_folder(),
            stdin=pax((b'linkpath', b'x' * 4096)) + header(b'l', b'2') + ZEROS,
        )


if __name__ == '__main__':
    unittest.main()
