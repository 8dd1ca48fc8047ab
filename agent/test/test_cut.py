"""Truncates archives at each byte, and changes each byte of them."""

import glob
import io
import os
import tarfile
import unittest

from blocks import ZEROS, file, header, octal, pax
from volumes import VolumeTest, tool

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../test/fixtures/tar')
MIXED = (
    pax((b'mtime', b'1.5'), (b'path', b'dir/long'))
    + file(b'f', b'content')
    + header(b'dir/', b'5', mode=b'0000755')
    + header(b'h', b'1', link=b'dir/long')
    + header(b'l', b'2', link=b'h')
    + header(b'././@LongLink', b'L', octal(201))
    + b'n' * 200
    + bytes(312)
    + file(b'short', b'x' * 513)
    + pax((b'GNU.sparse.size', b'100'), (b'GNU.sparse.map', b'0,2,50,2'))
    + file(b's', b'abcd')
)


def fixtures():
    for path in sorted(glob.glob(os.path.join(FIXTURES, '*.tar'))):
        with open(path, 'rb') as archive:
            yield os.path.basename(path), archive.read()


def end_of(archive):
    """Returns where an archive is complete: after a block of zeros in place of a header."""
    at = 0
    while True:
        block = archive[at : at + 512]
        if block == bytes(512):
            return at + 512
        size = int(block[124:136].strip(b' \0') or b'0', 8) if block[156:157] not in b'125' else 0
        if block[156:157] == b'S':
            more = block[482]
            while more:
                at += 512
                more = archive[at + 504]
        at += 512 + (size + 511) // 512 * 512


class Cut(VolumeTest):
    def outcomes(self, kind, archive, *words):
        """Returns {offset: outcome}."""
        lines = tool(kind, self.new_folder(), *words, stdin=archive)[0].decode().splitlines()
        return {int(at): code for at, code in (line.split() for line in lines)}

    def check_prefixes(self, archive, *words):
        end = end_of(archive)
        archive = archive[: end + 1300]
        outcomes = self.outcomes('prefixes', archive, *words)
        self.assertLessEqual({0, 511, 512, 513, end - 1, end}, set(outcomes))
        for at, code in outcomes.items():
            self.assertEqual(code, 'OK' if at >= end else 'TRUNCATED_ARCHIVE', at)

    def test_no_prefix_of_an_archive_made_by_hand_is_taken_for_a_whole_one(self):
        self.check_prefixes(MIXED + ZEROS + bytes(512), '--chunk', '1')
        self.check_prefixes(MIXED + ZEROS, '--chunk', '100000')
        self.check_prefixes(ZEROS + bytes(512))

    def test_no_prefix_of_any_programs_archive_is_taken_for_a_whole_one(self):
        for name, archive in fixtures():
            with self.subTest(name=name):
                self.check_prefixes(archive, '--chunk', '7001', '--step', '97')

    def test_no_prefix_of_an_archive_of_our_own_is_taken_for_a_whole_one(self):
        tree = self.new_folder()
        os.makedirs(os.path.join(tree, 'd' * 200, 'e' * 200))
        with open(os.path.join(tree, 'd' * 200, 'file'), 'wb') as opened:
            opened.write(b'x' * 700)
        os.link(os.path.join(tree, 'd' * 200, 'file'), os.path.join(tree, 'link'))
        self.check_prefixes(tool('pack', tree, '')[0])

    def test_a_changed_byte_in_a_header_is_found_wherever_it_is(self):
        archive = MIXED + ZEROS
        headers = [at for at in range(0, len(archive) - 1024, 512) if archive[at + 257 : at + 262] == b'ustar']
        self.assertEqual(len(headers), 9)
        for change in ('0x01', '0x80'):
            outcomes = self.outcomes('flips', archive, change)
            for at in headers:
                # The blank after the end of the checksum does not belong to the checksum.
                self.assertEqual(
                    {outcomes[i] for i in range(at, at + 512) if i - at != 155}, {'CORRUPT_ARCHIVE'}, (change, at)
                )
            self.assertEqual(
                {outcomes[i] for i in range(len(archive) - 1024, len(archive))},
                {'CORRUPT_ARCHIVE'},
                'the closing blocks',
            )

    def test_a_changed_byte_anywhere_never_does_more_than_fail(self):
        codes = {
            'OK',
            'CORRUPT_ARCHIVE',
            'TRUNCATED_ARCHIVE',
            'UNSAFE_ARCHIVE_PATH',
            'UNSUPPORTED_ENTRY',
            'ARTIFACT_TOO_LARGE',
            'PATH_CONFLICT',
        }
        for name, archive in fixtures():
            outcomes = self.outcomes(
                'flips',
                archive[: end_of(archive) + 512],
                '0x10',
                '--limit',
                '10000000',
                '--chunk',
                '4096',
                '--step',
                '23',
            )
            self.assertLessEqual(set(outcomes.values()), codes, name)


class Ends(VolumeTest):
    def test_empty_archives(self):
        for archive in (ZEROS, bytes(10240), bytes(1 << 20)):
            self.assertEqual(os.listdir(self.unpacked(archive, '--chunk', '1000')), [])
        self.fails('TRUNCATED_ARCHIVE', 'unpack', self.new_folder())
        self.assertEqual(os.listdir(self.unpacked(bytes(512))), [])

    def test_one_closing_block_is_enough_and_a_piece_of_the_second_does_no_harm(self):
        for more in (0, 1, 511):
            self.assertEqual(os.listdir(self.unpacked(file(b'f', b'1') + bytes(512 + more))), ['f'])
        self.fails('CORRUPT_ARCHIVE', 'unpack', self.new_folder(), stdin=file(b'f', b'1') + bytes(512) + b'garbage')
        self.fails('TRUNCATED_ARCHIVE', 'unpack', self.new_folder(), stdin=file(b'f', b'1') + bytes(511))

    def test_no_closing_block_is_needed_where_the_encoding_proves_the_end(self):
        whole = file(b'f', b'1') + pax((b'comment', b'x')) + file(b'g', b'x' * 600)
        self.fails('TRUNCATED_ARCHIVE', 'unpack', self.new_folder(), stdin=whole)
        self.assertEqual(sorted(os.listdir(self.unpacked(whole, '--proven'))), ['f', 'g'])
        ends = (1024, len(whole))
        for at in range(0, len(whole) + 1, 128):
            if at not in ends:
                self.fails('TRUNCATED_ARCHIVE', 'unpack', self.new_folder(), '--proven', stdin=whole[:at])
        self.fails(
            'TRUNCATED_ARCHIVE', 'unpack', self.new_folder(), '--proven', stdin=pax((b'comment', b'x'), kind=b'g')
        )

    def test_padding_of_any_length_behind_the_end(self):
        for padding in (0, 1, 511, 512, 10240 - 2048, 1 << 20):
            folder = self.unpacked(file(b'f', b'1') + ZEROS + bytes(padding))
            self.assertEqual(os.listdir(folder), ['f'])

    def test_what_follows_the_end_is_not_unpacked(self):
        folder = self.unpacked(file(b'f', b'1') + ZEROS + file(b'g', b'2') + ZEROS)
        self.assertEqual(os.listdir(folder), ['f'])
        buffer = io.BytesIO(file(b'f', b'1') + ZEROS + file(b'g', b'2') + ZEROS)
        with tarfile.open(fileobj=buffer) as archive:
            self.assertEqual(archive.getnames(), ['f'], 'other programs stop there as well')


if __name__ == '__main__':
    unittest.main()
