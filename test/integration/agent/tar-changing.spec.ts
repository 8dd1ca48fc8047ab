import { mkdir, open, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { AgentFailure } from '../../support/agent/agent-connection.ts';
import { decodeData, frameType } from '../../support/agent/agent-frames.ts';
import { readTar } from '../../support/tar.ts';
import { TarAgent } from './tar-volume.ts';

const SIZE = 3_000_000;

describe('a volume that changes while it is sent', () => {
  const agent = TarAgent.forSuite();

  const path = (folder: string, name: string): string => join(folder, name);

  /**
   * Sends a volume of the files `a`, `b/c`, `d`, each of one letter; calls `change` after the first
   * 64 KiB of `a`.
   */
  const sent = async (change: (folder: string) => Promise<void>): Promise<Map<string, string>> => {
    const { id, folder } = await agent.volume();
    await mkdir(path(folder, 'b'));
    for (const [name, letter] of Object.entries({ a: '1', 'b/c': '2', d: '3' }))
      await writeFile(path(folder, name), letter.repeat(SIZE));
    // The clock of file systems is coarse: a change in the same tick would not be detected.
    await utimes(path(folder, 'a'), 1, 1);
    const { connection } = agent;
    connection.open({ op: 'send', id: agent.newId(), attempt: 1, volume: id, path: '' });
    await connection.opened();
    const pieces: Buffer[] = [];
    let received = 0;
    connection.window(1, 0, 65_536);
    for (;;) {
      const frame = await connection.next();
      if (frame?.type === frameType.data) {
        const { raw } = decodeData(frame);
        pieces.push(raw);
        received += raw.length;
        if (received === 65_536) {
          await change(folder);
          connection.window(1, received, 100_000_000);
        }
      } else if (frame?.type !== frameType.end) {
        connection.done();
        const facts = JSON.parse(String(frame?.payload)) as Record<string, unknown>;
        if (frame?.type !== frameType.result) throw new AgentFailure(facts);
        const files = await readTar(Buffer.concat(pieces));
        return new Map([...files].map(([name, { content }]) => [name, content.toString()]));
      }
    }
  };

  const refused = async (change: (folder: string) => Promise<void>, at: string): Promise<void> => {
    const failure = await sent(change).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(AgentFailure);
    expect((failure as AgentFailure).facts).to.include({ code: 'FILE_CHANGED', path: at });
  };

  it('is FILE_CHANGED if a file becomes shorter or is overwritten', async () => {
    await refused((folder) => truncate(path(folder, 'a'), SIZE - 1), 'a');
    await refused((folder) => writeFile(path(folder, 'a'), '9'.repeat(SIZE)), 'a');
    await refused(async (folder) => {
      await using file = await open(path(folder, 'a'), 'r+');
      await file.write('9', SIZE - 1);
    }, 'a');
  });

  it('has the earlier content of a file that grows, is replaced or unlinked', async () => {
    for (const change of [
      (folder: string) => writeFile(path(folder, 'a'), 'more', { flag: 'a' }),
      (folder: string) => rm(path(folder, 'a')),
      async (folder: string) => {
        await writeFile(path(folder, 'new'), '9'.repeat(SIZE));
        await rename(path(folder, 'new'), path(folder, 'a'));
      },
    ])
      expect((await sent(change)).get('a')).to.equal('1'.repeat(SIZE));
  });

  it('is FILE_CHANGED if a listed file no longer exists or has another type', async () => {
    await refused((folder) => rm(path(folder, 'd')), 'd');
    for (const make of [(at: string) => mkdir(at), (at: string) => symlink('/etc/passwd', at)]) {
      await refused(async (folder) => {
        await rm(path(folder, 'd'));
        await make(path(folder, 'd'));
      }, 'd');
    }
  });

  it('does not follow a link that replaces a folder', async () => {
    const outside = await agent.volume();
    await writeFile(path(outside.folder, 'c'), 'secret');
    await refused(async (folder) => {
      await rename(path(folder, 'b'), path(folder, 'elsewhere'));
      await symlink(outside.folder, path(folder, 'b'));
    }, 'b');
  });
});
