import { expect } from 'chai';

import {
  artifactOf,
  containerOf,
  insert,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
} from './repository-under-test.ts';

/** Describes open streams: what they keep from the reaper, for how long, and which artifacts they renew. */
export function describeVolumeStreams(world: RepositoryUnderTest): void {
  const minute = 60_000;
  const hold = async (id: string, handles: readonly string[], durationMs = minute) =>
    await world.first.streams.hold(id, handles, durationMs);
  /** The handles that a pass of the reaper of another host finds. */
  const destroyable = async () => {
    const { containers, volumes, queries } = world.second;
    const planned = await queries.findReapable('worker', 100);
    const found = [
      ...(await containers.findDestroyable('worker', 100)),
      ...(await volumes.findDestroyable('worker', 100)),
    ].map(({ handle }) => handle);
    expect([...planned.containers, ...planned.volumes].map(({ handle }) => handle)).to.have.members(found);
    return found;
  };
  const lapse = async () =>
    await world.query(`update ${world.table('volume_streams')} set until = now() - interval '1 millisecond'`);
  const finish = async (handle: string) =>
    await world.second.containers.markOwnerFinished('worker', ownerOf(handle), { handle });
  const expiresInMs = async (handle: string) => {
    const [row] = await world.query(
      `select (extract(epoch from expires_at - now()) * 1000)::int as ms from ${world.table('volumes')} where handle = '${handle}'`,
    );
    return row!['ms'] as number;
  };

  async function created(handle: string): Promise<void> {
    await insert(world.first, handle);
    await world.first.containers.markCreated(handle, 'holder');
  }

  async function artifact(handle: string): Promise<void> {
    await world.first.volumes.insertArtifact(artifactOf(handle));
    await world.first.volumes.markCreated(handle);
  }

  async function expired(handle: string): Promise<void> {
    await world.query(
      `update ${world.table('volumes')} set expires_at = now() - interval '1 minute' where handle = '${handle}'`,
    );
  }

  describe('an open stream', () => {
    it('keeps the reaper from the container of its volume, which is marked at once', async () => {
      await created('c');
      expect(await hold('s', ['c-result'])).to.equal(1);
      expect(await finish('c')).to.equal(1);
      expect((await world.first.containers.lookup('worker', 'c'))?.state).to.equal('destroying');
      expect(await destroyable()).to.deep.equal([]);
      expect(await world.first.streams.release('s')).to.equal(true);
      expect(await destroyable()).to.deep.equal(['c']);
    });

    it('keeps the reaper from an artifact volume that was expired by the host', async () => {
      await artifact('a');
      await hold('s', ['a']);
      expect(await world.second.volumes.expire('worker', 'a')).to.equal(true);
      expect(await destroyable()).to.deep.equal([]);
      expect(await world.first.streams.release('s')).to.equal(true);
      expect(await destroyable()).to.deep.equal(['a']);
    });

    it('keeps the reaper from an artifact volume whose time ends during the use', async () => {
      await artifact('a');
      await hold('s', ['a']);
      await expired('a');
      expect(await destroyable()).to.deep.equal([]);
      expect((await world.first.volumes.lookup('worker', 'a'))?.state).to.equal('created');
      expect(await world.first.streams.release('s')).to.equal(false);
      expect(await destroyable()).to.deep.equal(['a']);
    });

    it('has several volumes, and ends for all of them', async () => {
      await created('c');
      await created('d');
      await artifact('a');
      expect(await hold('s', ['c-source', 'c-result', 'd-source', 'a', 'unknown'])).to.equal(4);
      for (const handle of ['c', 'd']) await finish(handle);
      await world.second.volumes.expire('worker', 'a');
      expect(await destroyable()).to.deep.equal([]);
      await world.first.streams.release('s');
      expect(await destroyable()).to.have.members(['c', 'd', 'a']);
    });

    it('does not end with another stream of the volume', async () => {
      await created('c');
      await hold('s', ['c-result']);
      await world.second.streams.hold('t', ['c-result'], minute);
      await finish('c');
      await world.first.streams.release('s');
      expect(await destroyable()).to.deep.equal([]);
      await world.second.streams.release('t');
      expect(await destroyable()).to.deep.equal(['c']);
    });

    it('lapses after the death of its host, and its row is deleted', async () => {
      await created('c');
      await hold('s', ['c-result']);
      await finish('c');
      await lapse();
      expect(await destroyable()).to.deep.equal(['c']);
      expect(await world.count('volume_streams')).to.equal(0);
    });

    it('is renewed, also after its owner has finished', async () => {
      await created('c');
      await hold('s', ['c-result'], 1);
      await finish('c');
      expect(await hold('s', ['c-result'])).to.equal(1);
      expect(await destroyable()).to.deep.equal([]);
    });

    it('does not begin on a volume that is being destroyed', async () => {
      await created('c');
      await artifact('a');
      await finish('c');
      await world.first.volumes.expire('worker', 'a');
      expect(await hold('s', ['c-result', 'a'])).to.equal(0);
      expect(await destroyable()).to.have.members(['c', 'a']);
    });

    it('ends with its volume, and ends twice without effect', async () => {
      await artifact('a');
      await hold('s', ['a']);
      await world.first.volumes.expire('worker', 'a');
      await world.first.volumes.delete('a');
      expect(await world.count('volume_streams')).to.equal(0);
      expect(await world.first.streams.release('s')).to.equal(false);
      expect(await hold('s', ['a'])).to.equal(0);
      expect(await hold('s', [])).to.equal(0);
    });

    it('does not keep the reaper from other containers', async () => {
      await created('c');
      await created('d');
      await hold('s', ['c-result']);
      await finish('d');
      expect(await destroyable()).to.deep.equal(['d']);
    });

    it('is seen by every pass that follows a finish, in any order of concurrent calls', async () => {
      for (let round = 0; round < 5; round += 1) {
        const handle = `c${round}`;
        await created(handle);
        const [held] = await Promise.all([hold(`s${round}`, [`${handle}-result`]), finish(handle)]);
        expect(await destroyable(), `held ${held}`).to.deep.equal(held === 0 ? [handle] : []);
        await world.first.containers.delete(handle);
      }
    });
  });

  it('on a kept container whose time is over goes to the stream or to the reaper, never to both', async () => {
    for (let round = 0; round < 5; round += 1) {
      const handle = `k${round}`;
      await created(handle);
      await world.first.containers.markOwnerFinished('worker', ownerOf(handle), { keepForMs: 0 });
      const [held, found] = await Promise.all([
        hold(`s${round}`, [`${handle}-result`]),
        world.second.containers.findDestroyable('worker', 100),
      ]);
      expect(found.map((row) => row.handle)).to.deep.equal(held === 0 ? [handle] : []);
      await world.first.streams.release(`s${round}`);
      await destroyable();
      await world.first.containers.delete(handle);
    }
  });

  describe('the expiry of an artifact volume', () => {
    it('counts from the last stream', async () => {
      await artifact('a');
      await expired('a');
      await hold('s', ['a']);
      expect(await expiresInMs('a')).to.be.within(300_000, 600_000);
    });

    it('never becomes earlier', async () => {
      await artifact('a');
      await world.query(`update ${world.table('volumes')} set expires_at = now() + interval '1 hour'`);
      await hold('s', ['a']);
      expect(await expiresInMs('a')).to.be.within(3_000_000, 3_600_000);
    });

    it('stays in rows from before the time to live was stored', async () => {
      await artifact('a');
      await world.query(
        `update ${world.table('volumes')} set time_to_live_ms = null, expires_at = now() + interval '5 minutes'`,
      );
      expect(await hold('s', ['a'])).to.equal(1);
      expect(await expiresInMs('a')).to.be.within(1, 300_000);
    });

    it('does not exist for a volume of a container', async () => {
      await created('c');
      await hold('s', ['c-result']);
      expect((await world.first.volumes.lookup('worker', 'c-result'))?.expiresAt).to.equal(undefined);
    });
  });

  it('refuses an empty stream ID and a negative duration', async () => {
    for (const [id, durationMs] of [
      ['', 1],
      ['s', -1],
    ] as const)
      expect(await hold(id, ['v'], durationMs).catch((error: unknown) => error)).to.include({
        code: 'KW_ERR_INVALID_SPEC',
      });
  });

  it('lets an input be copied from a container that is finished meanwhile', async () => {
    await created('producer');
    await world.first.containers.findOrInsert('worker', ownerOf('consumer'), leaseOf('holder'), () =>
      containerOf('consumer', ownerOf('consumer')),
    );
    await hold('inputs of consumer', ['producer-result']);
    await finish('producer');
    expect(await destroyable()).to.deep.equal([]);
  });
}
