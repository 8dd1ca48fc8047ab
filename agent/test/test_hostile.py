"""Unpacks broken, truncated and malicious archives: each has its error, and nothing is created outside."""

import io
import os
import tarfile
import time
import unittest

from blocks import ZEROS, file, header, octal, pad, pax
from volumes import NOBODY, TreeMaker, VolumeTest, tool


class Broken(VolumeTest):
    def refuses(self, code, archive, *words):
        for more in (['--chunk', '1'], ['--no-openat2']):
            folder = self.new_folder()
            text = self.fails(code, 'unpack', folder, *more, *words, stdin=archive)
        return text

    def test_a_whole_archive_ends_with_a_zero_block(self):
        whole = file(b'a', b'hello') + ZEROS
        self.unpacked(whole)
        self.unpacked(whole + bytes(10240) + b'what follows is not read')
        for cut in [0, 1, 511, 512, 513, 517, 1023, 1024, 1535]:
            self.refuses('TRUNCATED_ARCHIVE', whole[:cut])
        self.assertIn('entry=a', self.refuses('TRUNCATED_ARCHIVE', whole[:515]))
        self.unpacked(ZEROS)
        self.refuses('CORRUPT_ARCHIVE', file(b'a') + bytes(512) + file(b'b') + ZEROS)

    def test_headers_that_cannot_be_right(self):
        good = header()
        self.refuses('CORRUPT_ARCHIVE', good[:20] + b'x' + good[21:] + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', b'\x1f\x8b' + bytes(range(256)) * 4)
        self.refuses('CORRUPT_ARCHIVE', header(size=b'0000000001x') + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(size=b'\xff' * 12) + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(size=b'\x80' + b'\xff' * 11) + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(name=b'') + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(kind=b'2') + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(name=b'./') + header(name=b'.', kind=b'0') + ZEROS)
        self.unpacked(header(name=b'\xe4\xf6', signed=True) + ZEROS)
        self.unpacked(header(name=b'\xe4\xf6') + ZEROS)

    def test_types_that_are_not_supported_are_named(self):
        for kind in [b'3', b'4', b'6', b'M', b'V', b'D', b'N', b'A', b'?', b'\xff']:
            self.assertIn('entry=strange', self.refuses('UNSUPPORTED_ENTRY', header(b'strange', kind) + ZEROS))

    def test_paths_that_lead_outside(self):
        for name in [b'../x', b'a/../../x', b'/x', b'..', b'a/..', b'./../x', b'/']:
            self.refuses('UNSAFE_ARCHIVE_PATH', file(name) + ZEROS)
            self.refuses('UNSAFE_ARCHIVE_PATH', pax((b'path', name)) + file(b'f') + ZEROS)
            self.refuses('UNSAFE_ARCHIVE_PATH', file(b'f') + header(b'l', b'1', link=name) + ZEROS)
        folder = self.unpacked(file(b'.//./a//b/./c', b'1') + file(b'...', b'2') + ZEROS)
        self.assertTrue(os.path.exists(os.path.join(folder, 'a', 'b', 'c')))
        self.assertTrue(os.path.exists(os.path.join(folder, '...')))

    def test_no_link_is_followed(self):
        outside = self.new_folder()
        link = header(b'l', b'2', link=os.fsencode(outside))
        up = header(b'd/', b'5', mode=b'0000755') + header(b'd/l', b'2', link=b'..')
        self.refuses('UNSAFE_ARCHIVE_PATH', link + file(b'l/x', b'1') + ZEROS)
        self.refuses('UNSAFE_ARCHIVE_PATH', link + header(b'l/d/', b'5') + ZEROS)
        self.refuses('UNSAFE_ARCHIVE_PATH', link + header(b'l/s', b'2', link=b'x') + ZEROS)
        self.refuses('UNSAFE_ARCHIVE_PATH', link + file(b'f') + header(b'l/h', b'1', link=b'f') + ZEROS)
        self.refuses('UNSAFE_ARCHIVE_PATH', link + header(b'h', b'1', link=b'l/x') + ZEROS)
        self.refuses('UNSAFE_ARCHIVE_PATH', up + file(b'd/l/x', b'1') + ZEROS)
        self.assertEqual(os.listdir(outside), [])
        # A second entry of the same name replaces the link and does not write through it.
        folder = self.unpacked(link + file(b'l', b'mine') + ZEROS)
        self.assertFalse(os.path.islink(os.path.join(folder, 'l')))
        folder = self.unpacked(link + header(b'l/', b'5', mode=b'0000755') + file(b'l/x') + ZEROS)
        self.assertEqual(os.listdir(os.path.join(folder, 'l')), ['x'])
        # Neither do its mode and time: a hard link to a symbolic link is that link.
        os.chmod(outside, 0o700)
        self.unpacked(link + header(b'h', b'1', link=b'l', mode=b'0000777') + ZEROS)
        self.assertEqual(os.stat(outside).st_mode & 0o777, 0o700)

    def test_hard_links_lead_to_files_of_the_archive(self):
        self.assertIn('entry=h', self.refuses('CORRUPT_ARCHIVE', header(b'h', b'1', link=b'missing') + ZEROS))
        self.refuses('CORRUPT_ARCHIVE', header(b'd/', b'5') + header(b'h', b'1', link=b'd') + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', header(b'h', b'1', link=b'./') + ZEROS)
        self.assertIn('a hard link has no target', self.refuses('CORRUPT_ARCHIVE', header(b'h', b'1') + ZEROS))
        folder = self.unpacked(
            file(b'f', b'1')
            + file(b'g', b'2')
            + header(b'g', b'1', link=b'./f')
            + header(b'f', b'1', link=b'f')
            + ZEROS
        )
        self.assertEqual(os.stat(os.path.join(folder, 'f')).st_nlink, 2)

    def test_a_later_entry_replaces_an_earlier_one_but_not_a_folder(self):
        folder = self.unpacked(
            file(b'f', b'old') + file(b'h') + file(b'f', b'new') + header(b'h', b'2', link=b'f') + ZEROS
        )
        with open(os.path.join(folder, 'h'), encoding='utf-8') as opened:
            self.assertEqual(opened.read(), 'new')
        self.refuses('PATH_CONFLICT', header(b'd/', b'5') + file(b'd') + ZEROS)
        self.refuses('PATH_CONFLICT', file(b'f') + file(b'f/x') + ZEROS)
        # Replacing one name of a file does not change the file of the other name.
        folder = self.unpacked(file(b'a', b'one') + header(b'b', b'1', link=b'a') + file(b'a', b'two') + ZEROS)
        with open(os.path.join(folder, 'b'), encoding='utf-8') as opened:
            self.assertEqual(opened.read(), 'one')

    def test_broken_pax_records(self):
        for content in [
            b'',
            b'5 a=b\n',
            b'7 a=b\n',
            b'6 a=b\n6 a=',
            b'6 a=bx',
            b'0 a=b\n',
            b'99999999999999999999 a=b\n',
            b'6 =ab\n',
            b'5 ab\n',
            b'a=b\n',
            b'6  a=b\n'[:6],
        ]:
            archive = header(b'pax', b'x', octal(len(content))) + pad(content) + file(b'f') + ZEROS
            if content in (b'',):
                self.unpacked(archive)
            else:
                self.refuses('CORRUPT_ARCHIVE', archive)
        for key, value in [
            (b'size', b'-1'),
            (b'size', b'9' * 30),
            (b'size', b'1x'),
            (b'path', b'a\0b'),
            (b'GNU.sparse.map', b'1,,2'),
            (b'GNU.sparse.offset', b'x'),
            (b'GNU.sparse.numbytes', b'1'),
        ]:
            self.refuses('CORRUPT_ARCHIVE', pax((key, value)) + file(b'f', b'1') + ZEROS)
        self.refuses('CORRUPT_ARCHIVE', pax((b'path', b'a')) + ZEROS)
        self.assertIn(
            'extended header', self.refuses('UNSUPPORTED_ENTRY', header(b'pax', b'x', octal(2**20 + 1)) + ZEROS)
        )
        self.refuses('UNSUPPORTED_ENTRY', pax((b'path', b'a/' * 2048 + b'b')) + file(b'f') + ZEROS)
        self.refuses(
            'UNSUPPORTED_ENTRY', header(b'././@LongLink', b'L', octal(4100)) + bytes(4608) + file(b'f') + ZEROS
        )
        self.refuses(
            'UNSUPPORTED_ENTRY',
            header(b'././@LongLink', b'L', octal(4099)) + b'n' * 4099 + bytes(509) + file(b'f') + ZEROS,
        )
        self.refuses('UNSUPPORTED_ENTRY', pax((b'path', b'n' * 256)) + file(b'f') + ZEROS)

    def test_pax_records_that_count(self):
        archive = (
            pax((b'comment', b'x'), (b'mtime', b'1000000000.5'), kind=b'g')
            + file(b'a')
            + pax((b'mtime', b'-1.25'), (b'path', b'long'), (b'size', b'3'))
            + header(b'b')
            + pad(b'abc')
            + pax((b'mtime', b''))
            + file(b'c', mtime=octal(7))
            + ZEROS
        )
        folder = self.unpacked(archive, '--chunk', '1')
        times = [os.stat(os.path.join(folder, n)).st_mtime_ns for n in ('a', 'long', 'c')]
        self.assertEqual(times, [1_000_000_000_500_000_000, -1_250_000_000, 1_000_000_000_500_000_000])
        self.assertEqual(os.stat(os.path.join(folder, 'long')).st_size, 3)

    def test_sparse_maps_that_do_not_fit(self):
        def sparse(*pairs, size=b'100', content=b'xxxx'):
            numbers = b','.join(b'%d,%d' % p for p in pairs)
            return pax((b'GNU.sparse.size', size), (b'GNU.sparse.map', numbers)) + file(b's', content) + ZEROS

        self.unpacked(sparse((0, 2), (50, 2)))
        for pairs in [((0, 2), (1, 2)), ((50, 2), (0, 2)), ((0, 5),), ((0, 3),), ((98, 4),), ((2**63 - 1, 4),)]:
            self.refuses('CORRUPT_ARCHIVE', sparse(*pairs))
        self.refuses('CORRUPT_ARCHIVE', pax((b'GNU.sparse.map', b'0,4')) + file(b's', b'xxxx') + ZEROS)
        one = ((b'GNU.sparse.major', b'1'), (b'GNU.sparse.minor', b'0'), (b'GNU.sparse.realsize', b'8'))
        self.unpacked(pax(*one) + file(b's', pad(b'1\n4\n4\n') + b'tail') + ZEROS)
        for content in [
            pad(b'1\n4\n4\n') + b'tai',
            pad(b'1\n4\n'),
            b'1\n',
            pad(b'x\n'),
            pad(b'9999999999999999999\n'),
            pad(b'2\n4\n2\n3\n2\n') + b'tail',
        ]:
            self.refuses('CORRUPT_ARCHIVE', pax(*one) + file(b's', content) + ZEROS)
        self.refuses(
            'UNSUPPORTED_ENTRY',
            pax((b'GNU.sparse.major', b'2'), (b'GNU.sparse.minor', b'0'), (b'GNU.sparse.realsize', b'8'))
            + file(b's')
            + ZEROS,
        )

    def test_the_expanded_limit_counts_holes_and_is_found_before_anything_is_written(self):
        archive = file(b'a', b'x' * 600) + file(b'b', b'x' * 600) + ZEROS
        self.unpacked(archive, '--limit', '1200')
        self.assertIn('limit=1199', self.refuses('ARTIFACT_TOO_LARGE', archive, '--limit', '1199'))
        huge = pax((b'GNU.sparse.size', b'%d' % 2**62), (b'GNU.sparse.map', b'0,0')) + file(b's') + ZEROS
        self.refuses('ARTIFACT_TOO_LARGE', huge, '--limit', '1000000')
        many = pax((b'size', b'%d' % 2**62), (b'path', b'x')) + header()
        self.refuses('ARTIFACT_TOO_LARGE', many + bytes(512), '--limit', '1000')

    def test_a_folder_that_no_entry_describes_is_always_the_same(self):
        folder = self.unpacked(file(b'a/b/c', b'1') + ZEROS)
        status = os.stat(os.path.join(folder, 'a', 'b'))
        self.assertEqual((status.st_mode & 0o777, status.st_mtime_ns), (0o755, 0))
        folder = self.unpacked(file(b'a/b/c', b'1') + header(b'a/', b'5', mode=b'0000500', mtime=octal(5)) + ZEROS)
        status = os.stat(os.path.join(folder, 'a'))
        self.assertEqual((status.st_mode & 0o777, status.st_mtime_ns), (0o500, 5 * 10**9))

    def test_folders_that_keep_their_owner_out(self):
        archive = (
            header(b'a/', b'5', mode=b'0000000', mtime=octal(1))
            + header(b'a/b/', b'5', mode=b'0000000', mtime=octal(2))
            + file(b'a/b/c', b'1')
            + header(b'z/y/', b'5', mode=b'0000200')
            + header(b'z/', b'5', mode=b'0000000')
            + ZEROS
        )
        for words in ([], ['--no-openat2']):
            folder = self.unpacked(archive, *words, user=NOBODY)
            self.assertEqual(
                [os.stat(os.path.join(folder, n)).st_mode & 0o777 for n in ('a', 'a/b', 'z', 'z/y')], [0, 0, 0, 0o200]
            )
            self.assertEqual(os.stat(os.path.join(folder, 'a/b')).st_mtime, 2)
        # The last entry of a folder determines its mode.
        for modes in (
            [0o000, 0o700],
            [0o700, 0o000],
            [0o600, 0o000],
            [0o000, 0o677, 0o755],
            [0o755, 0o000, 0o711],
            [0o000, 0o000, 0o300],
        ):
            entries = [header(b'a/', b'5', mode=b'%07o' % mode) + file(b'a/%d' % i) for i, mode in enumerate(modes)]
            folder = self.unpacked(b''.join(entries) + ZEROS, user=NOBODY)
            self.assertEqual(os.stat(os.path.join(folder, 'a')).st_mode & 0o777, modes[-1], modes)
        twice = header(b'a/', b'5', mode=b'0000000') + header(b'a/', b'5', mode=b'0000755', mtime=octal(9)) + ZEROS
        folder = self.unpacked(twice, user=NOBODY)
        self.assertEqual(os.stat(os.path.join(folder, 'a')).st_mode & 0o777, 0o755)

    def test_more_folders_than_fit_into_memory_get_their_times(self):
        archive = b''.join(
            header(b'%05d-%s/' % (i, b'x' * 60), b'5', mode=b'0000755', mtime=octal(i)) for i in range(4000)
        )
        folder = self.unpacked(archive + ZEROS)
        self.assertEqual(
            [os.stat(os.path.join(folder, n)).st_mtime for n in sorted(os.listdir(folder))], list(range(4000))
        )

    def test_a_folder_that_cannot_be_written_to(self):
        folder = self.new_folder()
        self.fails('NOT_PERMITTED', 'unpack', folder, stdin=file(b'f') + ZEROS, user=NOBODY)

    def test_the_reserved_name_is_refused(self):
        self.refuses('UNSUPPORTED_ENTRY', file(b'.kw-commit-5b0e4d3a91c7') + ZEROS)


class Noise(VolumeTest):
    def test_changed_bytes_never_do_more_than_fail(self):
        import random

        tree = self.new_folder()
        TreeMaker(7, tree, entries=25, largest=1000)
        buffer = io.BytesIO()
        with tarfile.open(
            fileobj=buffer, mode='w', format=tarfile.PAX_FORMAT, encoding='utf-8', errors='surrogateescape'
        ) as archive:
            archive.add(tree, arcname='.')
        whole = buffer.getvalue()
        end = time.monotonic() + 10
        source = random.Random(1)
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(source.randrange(1, 4)):
                broken[source.randrange(len(broken))] = source.randrange(256)
            try:
                tool('unpack', self.new_folder(), '--limit', '10000000', stdin=bytes(broken))
            except Exception as error:  # pylint: disable=broad-except
                self.assertEqual(getattr(error, 'status', None), 2, error)
            if time.monotonic() > end:
                break


if __name__ == '__main__':
    unittest.main()
