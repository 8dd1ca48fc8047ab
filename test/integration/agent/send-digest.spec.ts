/** `send` with `only: "digest"`, as docs/agent-protocol.md 4 specifies it. */
import { randomBytes } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { failureOf, type Json } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { tarOf } from '../../support/tar.ts';

describe('a digest', () => {
  const agent = withAgent();
  const digest = async (open: Json): Promise<Json> =>
    await agent.connection.call({ op: 'send', only: 'digest', id: 'digest', path: '', ...open });

  before(async () => {
    const connection = await agent.connect();
    const archive = await tarOf({
      big: randomBytes(3_000_000),
      'folder/file': 'small',
      'folder/link': { type: 'symlink', linkname: 'file' },
      hard: { type: 'link', linkname: 'big' },
    });
    await connection.receive({ id: 'up', volume: 'full' }, archive);
    await connection.receive({ id: 'empty', volume: 'empty' }, await tarOf({}));
    await connection.bye();
  });

  for (const open of [
    { volume: 'full' },
    { volume: 'full', path: 'folder' },
    { volume: 'full', path: 'big' },
    { volume: 'full', path: 'folder/link' },
    { volume: 'full', keepOwner: true },
    { volume: 'empty' },
  ])
    it(`equals the RESULT of the download of ${JSON.stringify(open)}`, async () => {
      const { result } = await agent.connection.send({ id: 'send', ...open });
      expect(await digest(open)).to.deep.equal(result);
    });

  it('changes with the content', async () => {
    const before = await digest({ volume: 'empty' });
    await writeFile(join(agent.folder, 'volumes/empty/data/new'), 'new');
    expect((await digest({ volume: 'empty' }))['sha256']).not.to.equal(before['sha256']);
  });

  it('sends no OPENED and no DATA', async () => {
    agent.connection.open({ op: 'send', only: 'digest', id: 'digest', volume: 'full', path: '', window: 1_000_000 });
    await agent.connection.expect(frameType.result);
    agent.connection.done();
  });

  it('has the errors of a download', async () => {
    expect(await failureOf(digest({ volume: 'none' }))).to.have.property('code', 'VOLUME_NOT_FOUND');
    expect(await failureOf(digest({ volume: 'full', path: 'none' }))).to.have.property('code', 'FILE_NOT_FOUND');
    expect(await failureOf(digest({ volume: 'full', path: '../x' }))).to.have.property('code', 'UNSAFE_PATH');
    expect(await failureOf(digest({ volume: 'full', only: 'bytes' }))).to.have.property('code', 'INVALID_SPEC');
  });

  context('that takes long', () => {
    beforeEach(async () => {
      // A sparse file: without blocks, but with many bytes to hash.
      const sparse = join(agent.folder, 'volumes/full/data/sparse');
      await writeFile(sparse, '');
      await truncate(sparse, 2 ** 36);
    });

    afterEach(async () => {
      await agent.connection.call({ op: 'remove', volume: 'full' });
    });

    it('reports progress, answers PING, and ends at CANCEL', async () => {
      const { connection } = agent;
      connection.open({ op: 'send', only: 'digest', id: 'long', volume: 'full', path: '' });
      const progress = await connection.expectJson(frameType.progress);
      expect(Number(progress['bytes'])).to.be.above(0);
      connection.write(encodeFrame(frameType.ping, Buffer.alloc(8, 1)));
      for (;;) if ((await connection.next())?.type === frameType.pong) break;
      connection.write(encodeFrame(frameType.cancel));
      for (let frame = await connection.next(); ; frame = await connection.next()) {
        if (frame?.type === frameType.progress) continue;
        expect(frame?.type).to.equal(frameType.error);
        expect(JSON.parse(String(frame?.payload))).to.include({ code: 'CANCELLED' });
        break;
      }
      connection.done();
    });
  });
});
