import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import { extract, pack } from 'tar-stream';
import { isInstalled, type Losses, type Program, readers, run, writers } from '../../integration/agent/tar-programs.ts';
import { describeTree, makeTree, type TreeEntry, type TreeFacts } from '../../integration/agent/tar-tree.ts';
import { TarAgent } from '../../integration/agent/tar-volume.ts';
import { sha256 } from '../../support/agent/agent-frames.ts';

const NOW = 1_600_000_000.123456;

/** A tree with all features that a format may lack; those that the program lacks are omitted. */
function treeFor(losses: Losses): TreeEntry[] {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const utf8 = (text: string): Buffer => Buffer.from(text);
  const mtime = NOW;
  const tree: TreeEntry[] = [
    { kind: 'folder', path: utf8('dir'), mode: 0o755, mtime },
    { kind: 'folder', path: utf8('dir/empty'), mode: 0o700, mtime },
    { kind: 'folder', path: utf8('dir/read-only'), mode: losses.readOnlyFolders === true ? 0o755 : 0o555, mtime },
    { kind: 'file', path: utf8('dir/read-only/file'), mode: 0o444, mtime: NOW + 1, content: utf8('hello\n') },
    { kind: 'file', path: utf8('dir/nothing'), mode: 0o600, mtime: 0, content: Buffer.alloc(0) },
    { kind: 'file', path: utf8('dir/block'), mode: 0o755, mtime, content: Buffer.alloc(512, 'b') },
    { kind: 'file', path: utf8('many blocks'), mode: 0o640, mtime, content: Buffer.alloc(300_001, 'm') },
    { kind: 'hardlink', path: utf8('other name'), target: utf8('dir/block'), mtime },
    { kind: 'symlink', path: utf8('link'), target: utf8('../up/and/away'), mtime },
    { kind: 'file', path: utf8('-rf *;$(x)`y`"\'\\'), mode: 0o644, mtime, content: utf8('a name for shells') },
    {
      kind: 'sparse',
      path: utf8('sparse'),
      mode: 0o644,
      mtime,
      size: 4_000_000,
      pieces: new Map(
        [3_000_000, 0, 2_000_000, 1_000_000, 500_000, 3_500_000].map((at) => [at, Buffer.alloc(1000, 's')]),
      ),
    },
    { kind: 'sparse', path: utf8('only a hole'), mode: 0o644, mtime, size: 1_000_000, pieces: new Map() },
  ];
  if (losses.longNames !== true) {
    const deep = `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(120)}`;
    for (const end of [120, 241]) tree.push({ kind: 'folder', path: utf8(deep.slice(0, end)), mode: 0o755, mtime });
    tree.push(
      { kind: 'file', path: utf8(deep), mode: 0o644, mtime, content: utf8('deep') },
      { kind: 'hardlink', path: utf8('to the deep'), target: utf8(deep), mtime },
      { kind: 'symlink', path: utf8('to the deep as well'), target: utf8(deep), mtime },
      { kind: 'file', path: utf8('n'.repeat(255)), mode: 0o644, mtime, content: utf8('255') },
      { kind: 'file', path: utf8('ü→'.repeat(51)), mode: 0o644, mtime, content: utf8('255 bytes of UTF-8') },
    );
  }
  tree.push({ kind: 'file', path: utf8('ünïcödé-→'), mode: 0o644, mtime, content: utf8('ü') });
  if (losses.binaryNames !== true)
    tree.push({ kind: 'file', path: bytes('\xff\xfe\x80 bytes \n\t'), mode: 0o644, mtime, content: utf8('b') });
  if (losses.farTimes !== true) {
    tree.push(
      { kind: 'file', path: utf8('before 1970'), mode: 0o644, mtime: -1_000_000_000.75, content: utf8('1') },
      { kind: 'file', path: utf8('after 2038'), mode: 0o644, mtime: 2 ** 32 + 0.5, content: utf8('2') },
    );
  }
  return tree;
}

/** The facts that are equal on both sides without the losses of the program. */
function kept(tree: ReadonlyMap<string, TreeFacts>, losses: Losses): Record<string, unknown> {
  return Object.fromEntries(
    [...tree].map(([path, { mtimeNs, ...facts }]) => {
      const time = losses.nanoseconds === true ? mtimeNs / 1_000_000_000n : mtimeNs;
      const lost =
        (losses.linkTimes === true && facts.kind === 'symlink') ||
        (losses.folderTimes === true && facts.kind === 'folder');
      return [path, { ...facts, time: lost ? undefined : time }];
    }),
  );
}

describe('archives exchanged with other programs', () => {
  const agent = TarAgent.forSuite();
  let scratch: string;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'kw-programs-'));
  });

  after(async () => {
    execFileSync('chmod', ['-R', 'u+rwx', scratch]);
    await rm(scratch, { recursive: true, force: true });
  });

  const skipWithout = (context: Mocha.Context, program: Program): void => {
    if (isInstalled(program)) return;
    console.log(`      skipped: ${program.command} is not installed`);
    context.skip();
  };

  for (const writer of writers) {
    it(`unpacks archives of ${writer.name}`, async function () {
      skipWithout(this, writer);
      const source = await mkdtemp(join(scratch, 'source-'));
      await makeTree(source, treeFor(writer.losses));
      const archive = await run(writer, source);
      const { id, folder } = await agent.volume();
      await agent.upload(id, archive);
      expect(kept(await describeTree(folder), writer.losses)).to.deep.equal(
        kept(await describeTree(source), writer.losses),
      );
      for (const sparse of ['sparse', 'only a hole'])
        expect((await stat(join(folder, sparse))).blocks * 512).to.be.lessThan(500_000);
    });
  }

  it('unpacks archives of tar-stream', async () => {
    const long = `${'d'.repeat(120)}/${'n'.repeat(140)}`;
    const mtime = new Date(1_600_000_000_000);
    const header = { mtime, uid: 3_000_000, gid: 3_000_000, uname: 'somebody', gname: 'staff' };
    const writer = pack();
    writer.entry({ ...header, name: 'dir/', type: 'directory', mode: 0o750 });
    writer.entry({ ...header, name: 'dir/ünï', mode: 0o640 }, 'text');
    writer.entry({ ...header, name: long, mode: 0o600, pax: { comment: 'x' } }, 'long');
    writer.entry({ ...header, name: 'hard', type: 'link', linkname: long });
    writer.entry({ ...header, name: 'link', type: 'symlink', linkname: long });
    writer.finalize();
    const { id, folder } = await agent.volume();
    await agent.upload(id, await buffer(writer as AsyncIterable<Buffer>));
    const found = await describeTree(folder);
    const mtimeNs = 1_600_000_000_000_000_000n;
    const facts = (path: string): unknown => found.get(Buffer.from(path).toString('latin1'));
    expect(facts('dir')).to.include({ kind: 'folder', mode: 0o750, mtimeNs });
    expect(facts('dir/ünï')).to.include({
      kind: 'file',
      mode: 0o640,
      mtimeNs,
      content: `4 ${sha256(Buffer.from('text')).toString('hex')}`,
    });
    expect(facts('hard')).to.include({
      kind: 'file',
      mode: 0o600,
      mtimeNs,
      sameAs: long,
      content: `4 ${sha256(Buffer.from('long')).toString('hex')}`,
    });
    expect(facts('link')).to.include({ kind: 'symlink', content: long, mtimeNs });
  });

  for (const reader of readers) {
    it(`is unpacked by ${reader.name}`, async function () {
      skipWithout(this, reader);
      const { id, folder } = await agent.volume();
      await makeTree(folder, treeFor(reader.losses));
      const target = await mkdtemp(join(scratch, 'target-'));
      await run(reader, target, (await agent.download(id)).archive);
      expect(kept(await describeTree(target), reader.losses)).to.deep.equal(
        kept(await describeTree(folder), reader.losses),
      );
    });
  }

  it('is unpacked by tar-stream', async () => {
    const { id, folder } = await agent.volume();
    await makeTree(folder, treeFor({ binaryNames: true }));
    const parser = extract();
    parser.end((await agent.download(id)).archive);
    const found = new Map<string, unknown>();
    for await (const entry of parser) {
      const { name, type, mode, size, linkname, mtime } = entry.header;
      const path = name.replace(/^\.\//, '').replace(/\/$/, '');
      found.set(path, {
        type,
        mode,
        size,
        linkname: type === 'link' ? linkname?.replace(/^\.\//, '') : (linkname ?? undefined),
        seconds: Math.floor((mtime?.getTime() ?? 0) / 1000),
      });
      let length = 0;
      for await (const piece of entry as AsyncIterable<Buffer>) length += piece.length;
      expect(length).to.equal(size);
    }
    const types = { folder: 'directory', symlink: 'symlink', file: 'file' };
    const expected = new Map<string, unknown>();
    for (const [latin1, { kind, mode, mtimeNs, content, sameAs }] of await describeTree(folder)) {
      const seconds = Number(mtimeNs / 1_000_000_000n);
      const linkname =
        sameAs === undefined ? (kind === 'symlink' ? content : undefined) : Buffer.from(sameAs, 'latin1').toString();
      expected.set(Buffer.from(latin1, 'latin1').toString(), {
        type: sameAs === undefined ? types[kind] : 'link',
        mode: kind === 'symlink' ? 0o777 : mode,
        size: kind === 'file' && sameAs === undefined ? Number(content.split(' ')[0]) : 0,
        linkname,
        seconds,
      });
    }
    expect(Object.fromEntries(found)).to.deep.equal(Object.fromEntries(expected));
  });
});
