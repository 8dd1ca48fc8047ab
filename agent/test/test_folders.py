"""Committing a staged tree, removing, copying, and opening folders."""

import os
import subprocess
import time

from volumes import NOBODY, ToolFailed, TreeMaker, VolumeTest, set_time, snapshot, tool

OLD = 10**18


def make(root, tree, user=None):
    """Creates `tree`: {path: content, folder/: mode or None, link: ('->', target)}. Each entry gets the time OLD."""
    for path, what in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full.rstrip('/')), exist_ok=True)
        if path.endswith('/'):
            os.makedirs(full, exist_ok=True)
        elif isinstance(what, tuple):
            os.symlink(what[1], full)
        else:
            with open(full, 'w', encoding='utf-8') as file:
                file.write(what)
    for folder, folders, files in os.walk(root, topdown=False):
        for name in folders + files:
            set_time(os.path.join(folder, name), OLD)
    for path in sorted(tree, reverse=True):
        if path.endswith('/') and tree[path] is not None:
            os.chmod(os.path.join(root, path), tree[path])
    if user is not None:
        subprocess.run(['chown', '-hR', f'{user}:{user}', root], check=True)


def content(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def mode(root, path):
    return os.stat(os.path.join(root, path)).st_mode & 0o7777


class Commit(VolumeTest):
    def staged(self, staged, target, user=None):
        one, two = self.new_folder(user), self.new_folder(user)
        make(one, staged, user)
        make(two, target, user)
        return one, two

    def test_what_the_target_lacks_is_moved_and_what_is_there_is_merged(self):
        for user in (None, NOBODY):
            one, two = self.staged(
                {'a/new': '1', 'a/same': '2', 'b/deep/x': '3', 'f': '4', 'l': ('->', 'f'), 'a/': 0o750},
                {'a/old': '5', 'a/same': '6', 'f': '7', 'l': '8'},
                user,
            )
            tool('commit', one, two, user=user)
            self.assertEqual(
                [content(two, p) for p in ('a/new', 'a/same', 'a/old', 'b/deep/x', 'f')], ['1', '2', '5', '3', '4']
            )
            self.assertEqual(os.readlink(os.path.join(two, 'l')), 'f')
            self.assertEqual((mode(two, 'a'), os.stat(os.path.join(two, 'a')).st_mtime_ns), (0o750, OLD))
            self.assertEqual(os.stat(os.path.join(two, 'b')).st_mtime_ns, OLD)

    def test_conflicts_are_found_before_anything_has_changed(self):
        cases = [
            ({'a/x': '1', 'z/f': '2'}, {'z/f/': None}),
            ({'a': '1', 'z/f/x': '2'}, {'z/f': 'file'}),
            ({'a': '1', 'z/x': '2'}, {'z': ('->', '/tmp')}),
            ({'a': '1', 'z/x': '2'}, {'y/': None, 'z': ('->', 'y')}),
            ({'z/': None}, {'z': 'file'}),
        ]
        for staged, target in cases:
            one, two = self.staged(staged, target)
            before = snapshot(two), snapshot(one)
            text = self.fails('PATH_CONFLICT', 'commit', one, two)
            self.assertIn('path=z', text)
            self.assertEqual((snapshot(two), snapshot(one)), before)

    def test_read_only_folders_on_either_side(self):
        one, two = self.staged(
            {'a/': 0o555, 'a/b/': 0o555, 'a/b/new': '1', 'm/': 0o555, 'm/x/y': '2', 'm/x/': 0o500},
            {'a/': 0o555, 'a/b/': 0o555, 'a/b/old': '3', 'k/': 0o555},
            NOBODY,
        )
        os.chmod(two, 0o555)
        tool('commit', one, two, user=NOBODY)
        self.assertEqual([content(two, p) for p in ('a/b/new', 'a/b/old', 'm/x/y')], ['1', '3', '2'])
        self.assertEqual(
            [mode(two, p) for p in ('.', 'a', 'a/b', 'm', 'm/x', 'k')], [0o555, 0o555, 0o555, 0o555, 0o500, 0o555]
        )
        self.assertEqual([os.stat(os.path.join(two, p)).st_mtime_ns for p in ('a', 'a/b', 'm', 'm/x')], [OLD] * 4)

    def test_folders_that_no_entry_described_leave_the_targets_own_alone(self):
        staging = self.new_folder()
        target = self.new_folder()
        make(target, {'a/': 0o711, 'a/old': '1'})
        source = self.new_folder()
        make(source, {'a/b/c': '2'})
        archive = subprocess.run(['tar', '-C', source, '-cf', '-', 'a/b/c'], stdout=subprocess.PIPE, check=True).stdout
        tool('unpack', staging, stdin=archive)
        tool('commit', staging, target)
        self.assertEqual((mode(target, 'a'), mode(target, 'a/b')), (0o711, 0o755))
        self.assertGreater(os.stat(os.path.join(target, 'a')).st_mtime_ns, OLD)

    def test_an_inherited_set_gid_bit_stays(self):
        one, two = self.staged({'a/x': '1', 'a/': 0o750}, {'a/y': '2'})
        os.chmod(os.path.join(two, 'a'), 0o2755)
        tool('commit', one, two)
        self.assertEqual(mode(two, 'a'), 0o2750)

    def test_a_commit_that_was_cut_short_is_completed_by_a_second_one(self):
        for user in (None, NOBODY):
            for crash in (-1, 1, 2, 3, 4, 5):
                one, two, whole, expected = (self.new_folder(user) for _ in range(4))
                for staging in (one, whole):
                    # With 1,200 entries on each merged level, progress and the crash occur between them.
                    make(
                        staging,
                        {
                            **{f'a/{i:04}': str(i) for i in range(1200)},
                            **{f'a/sub/{i:04}': str(i) for i in range(1200)},
                            'a/sub/': 0o500,
                            'a/': 0o511,
                            'b/': 0o555,
                            'b/c/': 0o555,
                            'b/c/d': '1',
                        },
                        user,
                    )
                for target in (two, expected):
                    make(target, {'a/sub/0003': 'old', 'a/sub/mine': '1', 'a/': 0o555, 'c': '2'}, user)
                tool('commit', whole, expected, user=user)
                try:
                    tool('commit', one, two, '--crash-at', str(crash), user=user)
                except ToolFailed as error:
                    self.assertIn(error.status, (2, 9))
                tool('commit', one, two, user=user)
                self.assert_same_tree(two, expected)
                tool('commit', one, two, user=user)
                self.assert_same_tree(two, expected)

    def test_more_folders_to_be_merged_than_fit_into_memory(self):
        names = [f'{i:04}{"n" * 100}/' for i in range(3000)]
        for crash in (None, '2', '5'):
            one, two = self.staged(
                {**{name: 0o750 for name in names}, **{name + 'new': '1' for name in names[::100]}},
                {name: 0o711 for name in names},
            )
            for name in names:
                set_time(os.path.join(two, name), 5)
            if crash is not None:
                with self.assertRaises(ToolFailed):
                    tool('commit', one, two, '--crash-at', crash)
            tool('commit', one, two, '--resumed')
            self.assertEqual(
                {(mode(two, name), os.stat(os.path.join(two, name)).st_mtime_ns) for name in names}, {(0o750, OLD)}
            )
            self.assertEqual(sum(os.path.exists(os.path.join(two, name, 'new')) for name in names), 30)

    def test_random_trees_merge_like_unpacking_both_after_each_other(self):
        for seed in range(400, 408):
            user = NOBODY if seed % 2 else None
            first, second = self.new_folder(user), self.new_folder(user)
            TreeMaker(seed, first, user=user, largest=3000)
            TreeMaker(seed + 50, second, user=user, largest=3000)
            target, staging = self.new_folder(user), self.new_folder(user)
            tool('unpack', target, stdin=tool('pack', first, '')[0], user=user)
            archive = tool('pack', second, '')[0]
            tool('unpack', staging, stdin=archive, user=user)
            tool('commit', staging, target, user=user)
            self.assertEqual(set(snapshot(target)), set(snapshot(first)) | set(snapshot(second)))
            tool('unpack', staging, stdin=archive, user=user)
            tool('empty', staging, user=user)
            tool('unpack', staging, stdin=archive, user=user)
            tool('commit', staging, target, user=user)
            for path, facts in snapshot(second).items():
                if path != b'hard links':
                    self.assertEqual(snapshot(target)[path], facts, path)


class Empty(VolumeTest):
    def check(self, folder, user=None, *words):
        tool('empty', folder, *words, user=user)
        self.assertEqual(os.listdir(folder), [])

    def test_random_trees(self):
        for seed in range(500, 510):
            user = NOBODY if seed % 2 else None
            tree = self.new_folder(user)
            TreeMaker(seed, tree, user=user)
            self.check(tree, user)

    def test_folders_without_any_permission(self):
        tree = self.new_folder()
        make(tree, {'a/b/c': '1', 'a/b/': 0o000, 'a/': 0o000, 'r/': 0o500, 'r/f': '2'}, NOBODY)
        os.chmod(tree, 0o555)
        self.check(tree, NOBODY)
        self.assertEqual(mode(tree, '.'), 0o555)
        tool('empty', tree, user=NOBODY)

    def test_what_lies_outside_of_links_stays(self):
        outside, tree = self.new_folder(), self.new_folder()
        make(outside, {'keep/me': '1'})
        make(tree, {'l': ('->', outside), 'd/l': ('->', outside + '/keep')})
        self.check(tree)
        self.assertEqual(content(outside, 'keep/me'), '1')

    def test_ten_thousand_levels(self):
        tree = self.new_folder(NOBODY)
        at = os.open(tree, os.O_RDONLY)
        for level in range(10_000):
            os.mkdir('d', dir_fd=at)
            if level % 100 == 0:
                os.mkdir('side', dir_fd=at)
                os.mkdir('.kw-removed-3', dir_fd=at)
            below = os.open('d', os.O_RDONLY, dir_fd=at)
            os.chown('d', NOBODY, NOBODY, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        begin = time.monotonic()
        self.check(tree)
        self.assertLess(time.monotonic() - begin, 100)

    def test_what_is_not_permitted_is_named(self):
        tree = self.new_folder()
        make(tree, {'a/b/c': '1'})
        os.chown(tree, NOBODY, NOBODY)
        self.assertIn('path=a/b ', self.fails('NOT_PERMITTED', 'empty', tree, user=NOBODY))

    def test_it_can_be_cancelled(self):
        tree = self.new_folder()
        make(tree, {f'{i}': '1' for i in range(3000)})
        self.fails('CANCELLED', 'empty', tree, '--crash-at', '2')
        self.assertEqual(len(os.listdir(tree)), 1000)


class Copy(VolumeTest):
    def test_random_trees(self):
        for seed in range(600, 612):
            user = NOBODY if seed % 2 else None
            tree, copy = self.new_folder(user), self.new_folder(user)
            TreeMaker(seed, tree, user=user)
            tool('copy', tree, '', copy, user=user)
            self.assert_same_tree(tree, copy)

    def test_one_file_a_link_and_a_subfolder(self):
        tree = self.new_folder()
        make(tree, {'d/e/f': '1', 'd/l': ('->', 'nowhere')})
        one, two, three = self.new_folder(), self.new_folder(), self.new_folder()
        tool('copy', tree, 'd/e/f', one)
        tool('copy', tree, 'd/l', two)
        tool('copy', tree, 'd', three)
        self.assertEqual(
            (content(one, 'f'), os.readlink(os.path.join(two, 'l')), content(three, 'e/f')), ('1', 'nowhere', '1')
        )
        self.fails('FILE_NOT_FOUND', 'copy', tree, 'd/x', self.new_folder())
        self.fails('UNSAFE_PATH', 'copy', tree, '../d', self.new_folder())

    def test_holes_stay_holes(self):
        tree, copy = self.new_folder(), self.new_folder()
        with open(os.path.join(tree, 's'), 'wb') as file:
            file.seek(50 * 2**20)
            file.write(b'x')
            file.truncate(100 * 2**20)
        tool('copy', tree, '', copy)
        self.assert_same_tree(tree, copy)
        self.assertLess(os.stat(os.path.join(copy, 's')).st_blocks, 2**15)


class Folders(VolumeTest):
    def test_paths_have_one_form(self):
        for path, normal in [
            ('', ''),
            ('.', ''),
            ('/', ''),
            ('//a/./b//c/', 'a/b/c'),
            ('...', '...'),
            ('a/..b', 'a/..b'),
        ]:
            self.assertEqual(tool('normal', path)[0].decode().rstrip('\n'), normal)
        for path in ['..', 'a/..', '../a', 'a/../b', 'x' * 5000, 'a/' * 2100]:
            self.fails('UNSAFE_PATH', 'normal', path)

    def test_missing_folders_are_made_with_0755_whatever_the_umask(self):
        for words in ([], ['--no-openat2']):
            root = self.new_folder()
            before = os.umask(0o077)
            try:
                tool('open', root, 'a/b/c', *words)
            finally:
                os.umask(before)
            self.assertEqual([mode(root, p) for p in ('a', 'a/b', 'a/b/c')], [0o755] * 3)
            make(root, {'f': '1', 'l': ('->', 'a')})
            self.fails('PATH_CONFLICT', 'open', root, 'f/x', *words)
            self.fails('PATH_CONFLICT', 'open', root, 'f', *words)
            self.fails('UNSAFE_PATH', 'open', root, 'l/x', *words)
            self.fails('UNSAFE_PATH', 'open', root, 'l', *words)
            self.assertFalse(os.path.exists(os.path.join(root, 'a', 'x')))
