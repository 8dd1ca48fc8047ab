import { expect } from 'chai';

import { insert, ownerOf, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

const mebibyte = 1_048_576;

export function describeContainerFacts(world: RepositoryUnderTest): void {
  describe('properties of a container', () => {
    beforeEach(async () => await insert(world.first, 'c'));

    it('are empty at first', async () => {
      expect(await world.first.containers.properties('c')).to.deep.equal({});
    });

    it('keep the last value of each name, visible to other hosts [A22]', async () => {
      await world.first.containers.setProperty('c', 'a', '1');
      await world.first.containers.setProperty('c', 'b', '');
      await world.second.containers.setProperty('c', 'a', '2');
      expect(await world.second.containers.properties('c')).to.deep.equal({ a: '2', b: '' });
    });

    it('accept any characters in names and values', async () => {
      const odd = `{"json": 'quotes'} \\ \u0001 🚀 __proto__`;
      await world.first.containers.setProperty('c', odd, odd);
      await world.first.containers.setProperty('c', '__proto__', 'x');
      const properties = await world.first.containers.properties('c');
      expect(Object.entries(properties)).to.deep.include.members([
        [odd, odd],
        ['__proto__', 'x'],
      ]);
    });

    it('accept a value of 1 MiB and reject one more byte', async () => {
      const value = 'é'.repeat(mebibyte / 2);
      await world.first.containers.setProperty('c', 'big', value);
      expect((await world.second.containers.properties('c'))['big'] === value).to.equal(true);
      const error = await rejection(world.first.containers.setProperty('c', 'big', `${value}x`));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'value' });
    });

    it('reject names that are empty or longer than 253 characters, and values with NUL', async () => {
      const set = async (name: string, value: string) =>
        await rejection(world.first.containers.setProperty('c', name, value));
      expect(await set('', 'x')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'name' });
      expect(await set('n'.repeat(254), 'x')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'name' });
      expect(await set('n', 'x\0')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'value' });
      await world.first.containers.setProperty('c', 'n'.repeat(253), 'x');
    });

    it('throw ContainerDisappearedError if the container’s row does not exist', async () => {
      expect(await rejection(world.first.containers.properties('none'))).to.include({
        code: 'KW_ERR_CONTAINER_DISAPPEARED',
        handle: 'none',
      });
      expect(await rejection(world.first.containers.setProperty('none', 'a', 'b'))).to.include({
        code: 'KW_ERR_CONTAINER_DISAPPEARED',
      });
    });
  });

  describe('process results', () => {
    beforeEach(async () => await insert(world.first, 'c'));

    it('are stored per process, with and without a signal', async () => {
      await world.first.containers.recordProcessResult('c', 'task', {
        exitStatus: 3,
        signal: undefined,
        oomKills: undefined,
      });
      await world.first.containers.recordProcessResult('c', 'hijack', { exitStatus: 137, signal: 9, oomKills: 2 });
      expect(await world.second.containers.findProcessResult('c', 'task')).to.deep.equal({
        exitStatus: 3,
        signal: undefined,
        oomKills: undefined,
      });
      expect(await world.second.containers.findProcessResult('c', 'hijack')).to.deep.equal({
        exitStatus: 137,
        signal: 9,
        oomKills: 2,
      });
    });

    it('have the size of the output if it is known', async () => {
      const result = {
        exitStatus: 0,
        signal: undefined,
        oomKills: 0,
        stdoutBytes: Number.MAX_SAFE_INTEGER,
        stderrBytes: 0,
      };
      await world.first.containers.recordProcessResult('c', 'task', result);
      expect(await world.second.containers.findProcessResult('c', 'task')).to.deep.equal(result);
    });

    it('have the times of the command if they are known', async () => {
      const result = { exitStatus: 0, signal: undefined, oomKills: 0 };
      const times = { startedAt: new Date('2026-01-02T03:04:05.678Z'), finishedAt: new Date('2026-01-02T03:04:06Z') };
      await world.first.containers.recordProcessResult('c', 'task', { ...result, ...times });
      await world.first.containers.recordProcessResult('c', 'old', { ...result, startedAt: undefined });
      expect(await world.second.containers.findProcessResult('c', 'task')).to.deep.equal({ ...result, ...times });
      expect(await world.second.containers.findProcessResult('c', 'old')).to.deep.equal(result);
    });

    it('have the digest of the specification if it is known', async () => {
      const result = { exitStatus: 0, signal: undefined, oomKills: 0, specDigest: 'a'.repeat(64) };
      await world.first.containers.recordProcessResult('c', 'task', result);
      await world.second.containers.recordProcessResult('c', 'task', { ...result, specDigest: 'b'.repeat(64) });
      expect(await world.second.containers.findProcessResult('c', 'task')).to.deep.equal(result);
    });

    it('keep the first recorded result', async () => {
      await world.first.containers.recordProcessResult('c', 'task', {
        exitStatus: 0,
        signal: undefined,
        oomKills: undefined,
      });
      await world.second.containers.recordProcessResult('c', 'task', {
        exitStatus: 1,
        signal: undefined,
        oomKills: undefined,
      });
      expect(await world.first.containers.findProcessResult('c', 'task')).to.deep.equal({
        exitStatus: 0,
        signal: undefined,
        oomKills: undefined,
      });
    });

    it('set properties in the same statement, also when a result exists already', async () => {
      const result = { exitStatus: 0, signal: undefined, oomKills: 0 };
      const properties = { 'concourse:resource-result': '{"version":{"ref":"ü"}}', ['__proto__']: 'x' };
      await world.first.containers.recordProcessResult('c', 'resource', result, { properties });
      expect(await world.second.containers.findProcessResult('c', 'resource')).to.deep.equal(result);
      expect(Object.entries(await world.second.containers.properties('c'))).to.have.deep.members(
        Object.entries(properties),
      );
      await world.second.containers.recordProcessResult(
        'c',
        'resource',
        { ...result, exitStatus: 1 },
        { properties: { more: 'y'.repeat(mebibyte) } },
      );
      expect((await world.first.containers.findProcessResult('c', 'resource'))?.exitStatus).to.equal(0);
      expect((await world.first.containers.properties('c'))['more']).to.have.length(mebibyte);
    });

    it('are not recorded if a property is rejected', async () => {
      const result = { exitStatus: 0, signal: undefined, oomKills: undefined };
      const properties = { fine: 'x', big: 'y'.repeat(mebibyte + 1) };
      const error = await rejection(
        world.first.containers.recordProcessResult('c', 'resource', result, { properties }),
      );
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'properties.big' });
      expect(await world.first.containers.findProcessResult('c', 'resource')).to.equal(undefined);
      expect(await world.first.containers.properties('c')).to.deep.equal({});
    });

    it('are undefined if none was recorded', async () => {
      await insert(world.first, 'd');
      await world.first.containers.recordProcessResult('d', 'task', {
        exitStatus: 0,
        signal: undefined,
        oomKills: undefined,
      });
      expect(await world.first.containers.findProcessResult('c', 'task')).to.equal(undefined);
      expect(await world.first.containers.findProcessResult('none', 'task')).to.equal(undefined);
    });

    it('cannot be recorded if the container’s row does not exist', async () => {
      const error = await rejection(
        world.first.containers.recordProcessResult('none', 'p', {
          exitStatus: 0,
          signal: undefined,
          oomKills: undefined,
        }),
      );
      expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'none' });
    });

    it('reject an invalid exit status', async () => {
      const error = await rejection(
        world.first.containers.recordProcessResult('c', 'p', {
          exitStatus: 256,
          signal: undefined,
          oomKills: undefined,
        }),
      );
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC' });
    });
  });

  describe('a hijack', () => {
    beforeEach(async () => {
      await insert(world.first, 'c');
      await insert(world.first, 'd');
    });
    const find = async (hijackGraceMs?: number) =>
      (await world.first.containers.findDestroyable('worker', 10, { hijackGraceMs })).map(({ handle }) => handle);
    const lastHijackAt = async () => (await world.second.containers.lookup('worker', 'c'))?.lastHijackAt;

    it('is recorded with its time, in any state of the container', async () => {
      expect(await lastHijackAt()).to.equal(undefined);
      await world.first.containers.recordHijack('c', 'shell');
      const first = await lastHijackAt();
      expect(first).to.be.instanceOf(Date);
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      await world.first.containers.recordHijack('c', 'shell');
      expect((await lastHijackAt())?.getTime()).to.be.at.least(first?.getTime() ?? Number.NaN);
    });

    it('prevents the deletion of the container until it has ended', async () => {
      await world.first.containers.markFailed('c', 'holder');
      await world.first.containers.markOwnerFinished('worker', ownerOf('d'));
      for (const shell of ['one', 'two']) await world.first.containers.recordHijack('c', shell);
      await world.first.containers.recordHijack('d', 'one');
      expect(await find(600_000)).to.deep.equal([]);
      await world.second.containers.endHijack('c', 'one');
      await world.second.containers.endHijack('c', 'one');
      await world.second.containers.endHijack('d', 'one');
      expect(await find(600_000)).to.deep.equal(['d']);
      await world.second.containers.endHijack('c', 'two');
      expect(await find(600_000)).to.deep.equal(['c', 'd']);
    });

    it('is known by its process once that has been started, also after its end', async () => {
      const { containers } = world.first;
      const isHijack = async (processId: string) => await world.second.containers.isHijack('c', processId);
      await containers.recordHijack('c', 'shell');
      // Its ID may be that of a process that runs already.
      expect(await isHijack('shell')).to.equal(false);
      await containers.recordHijack('c', 'shell', { isStarted: true });
      await containers.recordHijack('c', 'shell');
      expect(await isHijack('shell')).to.equal(true);
      await containers.endHijack('c', 'shell');
      expect(await isHijack('shell')).to.equal(true);
      for (const other of ['d', 'none']) expect(await containers.isHijack(other, 'shell')).to.equal(false);
      expect(await isHijack('task')).to.equal(false);
    });

    it('protects the container again if it is seen after its end', async () => {
      await world.first.containers.markFailed('c', 'holder');
      await world.first.containers.recordHijack('c', 'shell');
      await world.first.containers.endHijack('c', 'shell');
      await world.first.containers.recordHijack('c', 'shell');
      expect(await find(600_000)).to.deep.equal([]);
      const last = await lastHijackAt();
      await world.first.containers.endHijack('c', 'shell');
      const ended = await lastHijackAt();
      expect(ended?.getTime()).to.be.at.least(last!.getTime());
      // A second end changes nothing.
      await world.query(`update ${world.table('containers')} set last_hijack_at = null`);
      await world.first.containers.endHijack('c', 'shell');
      expect(await lastHijackAt()).to.equal(undefined);
    });

    it('without a record during the grace period does not prevent the deletion', async () => {
      await world.first.containers.markFailed('c', 'holder');
      await world.first.containers.recordHijack('c', 'shell');
      await world.query(`update ${world.table('hijacks')} set seen_at = now() - interval '5 minutes'`);
      expect(await find(600_000)).to.deep.equal([]);
      expect(await find(240_000)).to.deep.equal(['c']);
      expect(await world.first.containers.delete('c')).to.equal(2);
    });

    it('throws ContainerDisappearedError if the row does not exist; its end does nothing', async () => {
      const error = await rejection(world.first.containers.recordHijack('none', 'shell'));
      expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'none' });
      await world.first.containers.endHijack('none', 'shell');
    });
  });

  describe('register', () => {
    it('returns the same installation id to every worker, each time', async () => {
      const first = await world.first.workers.register('a');
      const second = await world.second.workers.register('b');
      const again = await world.second.workers.register('a');
      expect(first.installationId).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect([second, again]).to.deep.equal([first, first]);
    });
  });

  describe('time', () => {
    it("returns the database's time, which does not go back", async () => {
      const times = [await world.first.workers.time(), await world.second.workers.time()];
      expect(times.map((time) => Number.isNaN(time.getTime()))).to.deep.equal([false, false]);
      expect(times[1]).to.be.at.least(times[0]!);
    });
  });
}
