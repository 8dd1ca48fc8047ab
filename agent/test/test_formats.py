"""Reads archives of other programs, and checks that other programs read the archives of the agent."""

import io
import os
import subprocess
import tarfile

from volumes import NOBODY, TreeMaker, VolumeTest, have, set_time, snapshot, tool

BYTES = {**os.environ, 'LC_ALL': 'C', 'TAR_OPTIONS': ''}
UTF8 = {**BYTES, 'LC_ALL': 'C.UTF-8'}


def output(*words, env=None):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, env=env or UTF8).stdout


def python_archive(root, form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=form, encoding='utf-8', errors='surrogateescape') as archive:
        archive.add(root, arcname='.')
    return buffer.getvalue()


class OwnFormat(VolumeTest):
    def test_a_tree_survives_pack_and_unpack_and_gives_the_same_bytes_again(self):
        for seed in range(25):
            with self.subTest(seed=seed):
                tree = self.new_folder()
                chunk = [1, 511, 4096, 262144][seed % 4]
                TreeMaker(seed, tree, past=True, largest=2000 if chunk == 1 else 300_000)
                archive, _ = tool('pack', tree, '')
                self.assertEqual(tool('pack', tree, '', '--chunk', '777')[0], archive)
                copy = self.unpacked(archive, '--chunk', str(chunk), *(['--no-openat2'] if seed % 2 else []))
                self.assert_same_tree(tree, copy)
                self.assertEqual(tool('pack', copy, '')[0], archive)

    def test_a_user_without_rights_restores_read_only_folders(self):
        for seed in range(100, 110):
            tree = self.new_folder()
            TreeMaker(seed, tree, user=NOBODY)
            archive, _ = tool('pack', tree, '', user=NOBODY)
            copy = self.unpacked(archive, user=NOBODY)
            self.assert_same_tree(tree, copy)

    def test_order_is_bytewise_in_each_folder_and_a_folder_comes_first(self):
        tree = self.new_folder()
        for name in ['b', 'a/z', 'a/b/c', 'a-b', 'a.b', 'B', '\u00e4']:
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8'):
                pass
        with tarfile.open(fileobj=io.BytesIO(tool('pack', tree, '')[0])) as archive:
            names = archive.getnames()
        self.assertEqual(names, ['./B', './a', './a/b', './a/b/c', './a/z', './a-b', './a.b', './b', './\u00e4'])

    def test_one_file_or_link_is_an_archive_of_one_entry(self):
        tree = self.new_folder()
        os.makedirs(os.path.join(tree, 'd'))
        with open(os.path.join(tree, 'd', 'f'), 'w', encoding='utf-8') as file:
            file.write('hello')
        os.symlink('/nowhere', os.path.join(tree, 'd', 'l'))
        with tarfile.open(fileobj=io.BytesIO(tool('pack', tree, 'd/f')[0])) as archive:
            self.assertEqual([(e.name, e.size) for e in archive], [('f', 5)])
        with tarfile.open(fileobj=io.BytesIO(tool('pack', tree, '/d//l')[0])) as archive:
            self.assertEqual([(e.name, e.linkname) for e in archive], [('l', '/nowhere')])
        self.fails('FILE_NOT_FOUND', 'pack', tree, 'd/missing')
        self.fails('FILE_NOT_FOUND', 'pack', tree, 'd/f/below')
        self.fails('UNSAFE_PATH', 'pack', tree, 'd/l/below')
        self.fails('UNSAFE_PATH', 'pack', tree, '../d')

    def test_sockets_fifos_and_devices_are_left_out_and_counted(self):
        tree = self.new_folder()
        os.mkfifo(os.path.join(tree, 'fifo'))
        archive, text = tool('pack', tree, '')
        self.assertEqual(archive, bytes(1024))
        self.assertIn('skipped=1', text)

    def test_set_id_bits_are_cleared_or_refused_and_inherited_ones_are_not_content(self):
        tree = self.new_folder()
        path = os.path.join(tree, 'su')
        with open(path, 'w', encoding='utf-8'):
            pass
        os.chmod(path, 0o4755)
        archive, _ = tool('pack', tree, '')
        self.assertEqual(os.stat(os.path.join(self.unpacked(archive), 'su')).st_mode & 0o7777, 0o755)
        self.fails('UNSUPPORTED_ENTRY', 'unpack', self.new_folder(), '--set-id-error', stdin=archive)
        plain, group = self.new_folder(), self.new_folder()
        os.chmod(group, 0o2777)
        for root in (plain, group):
            os.mkdir(os.path.join(root, 'd'), 0o755)
            set_time(os.path.join(root, 'd'), 10**18)
        archive, _ = tool('pack', group, '')
        self.assertEqual(archive, tool('pack', plain, '')[0])
        other = self.new_folder()
        os.chmod(other, 0o2777)
        tool('unpack', other, stdin=archive)
        self.assertEqual(os.stat(os.path.join(other, 'd')).st_mode & 0o7777, 0o2755)

    def test_owners_are_kept_on_demand_only(self):
        tree = self.new_folder()
        for name, uid in [('a', 1000), ('b', 3_000_000)]:
            path = os.path.join(tree, name)
            with open(path, 'w', encoding='utf-8'):
                pass
            os.chown(path, uid, uid + 1)
        kept = self.unpacked(tool('pack', tree, '', '--keep-owner')[0], '--keep-owner')
        self.assertEqual(
            [(os.stat(os.path.join(kept, n)).st_uid, os.stat(os.path.join(kept, n)).st_gid) for n in 'ab'],
            [(1000, 1001), (3_000_000, 3_000_001)],
        )
        dropped = self.unpacked(tool('pack', tree, '', '--keep-owner')[0])
        self.assertEqual(os.stat(os.path.join(dropped, 'a')).st_uid, 0)
        with tarfile.open(fileobj=io.BytesIO(tool('pack', tree, '')[0])) as archive:
            self.assertEqual({(e.uid, e.gid, e.uname) for e in archive}, {(0, 0, '')})

    def test_a_huge_file_has_its_size_for_every_reader(self):
        tree = self.new_folder()
        path = os.path.join(tree, 'huge')
        with open(path, 'wb') as file:
            file.truncate(9 * 2**30)
        done = subprocess.run(
            f'"{os.environ["VOLUME_TOOL"]}" pack "{tree}" "" 2>/dev/null | head -c 4096',
            shell=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertIn(b'size=9663676416\n', done.stdout)
        listers = [['tar', 'tvf', '-']] + [
            [p, *a] for p, a in [('bsdtar', ['-tvf', '-']), ('busybox', ['tar', 'tvf', '-'])] if have(p)
        ]
        for lister in listers:
            listed = subprocess.run(
                lister, input=done.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, env=UTF8
            ).stdout
            self.assertIn(b'9663676416', listed, lister)


class OtherReaders(VolumeTest):
    def check(self, words, env, past):
        for seed in range(200, 206):
            tree = self.new_folder()
            TreeMaker(seed, tree, past=past)
            archive, _ = tool('pack', tree, '')
            folder = self.new_folder()
            done = subprocess.run(
                [*words, folder], input=archive, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=env
            )
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assert_same_tree(tree, folder)

    def test_gnu_tar(self):
        self.check(['tar', '-xpf', '-', '--delay-directory-restore', '-C'], BYTES, past=True)
        self.check(['tar', '-xpf', '-', '--delay-directory-restore', '-C'], UTF8, past=True)

    def test_bsdtar(self):
        if not have('bsdtar'):
            self.skipTest('bsdtar is not installed')
        self.check(['bsdtar', '-xpf', '-', '-C'], UTF8, past=False)

    def test_busybox(self):
        if not have('busybox'):
            self.skipTest('busybox is not installed')
        # busybox has no nanoseconds, no times of links, and clears sticky bits.
        for seed in range(200, 206):
            tree = self.new_folder()
            TreeMaker(seed, tree)
            folder = self.new_folder()
            done = subprocess.run(
                ['busybox', 'tar', '-xpf', '-', '-C', folder],
                input=tool('pack', tree, '')[0],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                env=BYTES,
            )
            self.assertEqual(done.returncode, 0, done.stdout)
            mine, theirs = snapshot(tree), snapshot(folder)
            self.assertEqual(sorted(mine), sorted(theirs))
            for path, facts in mine.items():
                if path != b'hard links':
                    self.assertEqual((facts[0], facts[3]), (theirs[path][0], theirs[path][3]), path)

    def test_go(self):
        if 'GO_ARCHIVE' not in os.environ:
            self.skipTest('go is not installed')
        self.check([os.environ['GO_ARCHIVE'], 'read'], UTF8, past=True)

    def test_python(self):
        for seed in range(200, 206):
            tree = self.new_folder()
            TreeMaker(seed, tree)
            folder = self.new_folder()
            with tarfile.open(
                fileobj=io.BytesIO(tool('pack', tree, '')[0]), encoding='utf-8', errors='surrogateescape'
            ) as archive:
                archive.extractall(folder)
            mine, theirs = snapshot(tree), snapshot(folder)
            self.assertEqual(sorted(mine), sorted(theirs))
            for path, facts in mine.items():
                if path != b'hard links':
                    self.assertEqual((facts[0], facts[3]), (theirs[path][0], theirs[path][3]), path)


class OtherWriters(VolumeTest):
    def check(self, make, plain=False, nanoseconds=True, utf8=False):
        for seed in range(300, 304):
            tree = self.new_folder()
            TreeMaker(seed, tree, plain=plain, utf8=utf8)
            archive = make(tree)
            for words in (['--chunk', '512'], ['--chunk', '10007', '--no-openat2']):
                self.assert_same_tree(tree, self.unpacked(archive, *words), nanoseconds)

    def test_gnu_tar_in_all_its_formats(self):
        for form, plain in [('v7', True), ('ustar', True), ('oldgnu', False), ('gnu', False), ('pax', False)]:
            with self.subTest(form=form):
                nanoseconds = form == 'pax'
                self.check(
                    lambda tree, form=form: output('tar', '-C', tree, f'--format={form}', '-cf', '-', '.'),
                    plain,
                    nanoseconds,
                )

    def test_gnu_tar_with_sparse_files(self):
        for words in [
            ['--format=gnu'],
            ['--format=oldgnu'],
            ['--format=pax', '--sparse-version=0.0'],
            ['--format=pax', '--sparse-version=0.1'],
            ['--format=pax', '--sparse-version=1.0'],
        ]:
            with self.subTest(words=words):
                self.check(
                    lambda tree, words=words: output('tar', '-C', tree, *words, '-S', '-cf', '-', '.'),
                    nanoseconds='pax' in words[0],
                )

    def test_a_sparse_file_of_many_pieces_stays_sparse(self):
        tree = self.new_folder()
        with open(os.path.join(tree, 'sparse'), 'wb') as file:
            for i in range(300):
                file.seek(i * 262144)
                file.write(b'%05d' % i)
            file.truncate(300 * 262144)
        for words in [
            ['--format=gnu'],
            ['--format=pax', '--sparse-version=0.0'],
            ['--format=pax', '--sparse-version=0.1'],
            ['--format=pax'],
        ]:
            with self.subTest(words=words):
                folder = self.unpacked(output('tar', '-C', tree, *words, '-S', '-cf', '-', '.'), '--chunk', '3001')
                self.assert_same_tree(tree, folder, nanoseconds=len(words) == 2 or words[0] != '--format=gnu')
                self.assertLess(os.stat(os.path.join(folder, 'sparse')).st_blocks * 512, 4 * 2**20)

    def test_bsdtar(self):
        if not have('bsdtar'):
            self.skipTest('bsdtar is not installed')
        for form, plain in [('pax', False), ('gnutar', False), ('ustar', True), ('v7', True)]:
            with self.subTest(form=form):
                self.check(
                    lambda tree, form=form: output('bsdtar', '-C', tree, f'--format={form}', '-cf', '-', '.', env=UTF8),
                    plain,
                    form == 'pax',
                    utf8=True,
                )

    def test_busybox(self):
        if not have('busybox'):
            self.skipTest('busybox is not installed')
        self.check(lambda tree: output('busybox', 'tar', '-C', tree, '-cf', '-', '.'), nanoseconds=False)

    def test_go(self):
        if 'GO_ARCHIVE' not in os.environ:
            self.skipTest('go is not installed')
        # The ustar writer of Go supports only ASCII names; a fixture covers ustar.
        for form in ('gnu', 'pax'):
            with self.subTest(form=form):
                self.check(
                    lambda tree, form=form: output(os.environ['GO_ARCHIVE'], 'write', form, tree),
                    nanoseconds=form == 'pax',
                    utf8=True,
                )

    def test_python(self):
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            with self.subTest(form=form):
                self.check(
                    lambda tree, form=form: python_archive(tree, form), form == tarfile.USTAR_FORMAT, nanoseconds=False
                )
