import { expect } from 'chai';

import { insert, type RepositoryUnderTest, rejection } from './repository-under-test.ts';

const mebibyte = 1_048_576;

export function describeContainerFacts(world: RepositoryUnderTest): void {
  describe('properties of a container', () => {
    beforeEach(async () => await insert(world.first, 'c'));

    it('are none at first', async () => {
      expect(await world.first.containers.properties('c')).to.deep.equal({});
    });

    it('keep the last value of each name, as others see it', async () => {
      await world.first.containers.setProperty('c', 'a', '1');
      await world.first.containers.setProperty('c', 'b', '');
      await world.second.containers.setProperty('c', 'a', '2');
      expect(await world.second.containers.properties('c')).to.deep.equal({ a: '2', b: '' });
    });

    it('keep names and values of any characters', async () => {
      const odd = `{"json": 'quotes'} \\ \u0001 🚀 __proto__`;
      await world.first.containers.setProperty('c', odd, odd);
      await world.first.containers.setProperty('c', '__proto__', 'x');
      const properties = await world.first.containers.properties('c');
      expect(Object.entries(properties)).to.deep.include.members([
        [odd, odd],
        ['__proto__', 'x'],
      ]);
    });

    it('keep a value of 1 MiB and refuse one byte more', async () => {
      const value = 'é'.repeat(mebibyte / 2);
      await world.first.containers.setProperty('c', 'big', value);
      expect((await world.second.containers.properties('c'))['big'] === value).to.equal(true);
      const error = await rejection(world.first.containers.setProperty('c', 'big', `${value}x`));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'value' });
    });

    it('refuse names that are empty or longer than 253 characters, and values with NUL', async () => {
      const set = async (name: string, value: string) => await rejection(world.first.containers.setProperty('c', name, value));
      expect(await set('', 'x')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'name' });
      expect(await set('n'.repeat(254), 'x')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'name' });
      expect(await set('n', 'x\0')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'value' });
      await world.first.containers.setProperty('c', 'n'.repeat(253), 'x');
    });

    it('of a container that is gone are its disappearance', async () => {
      expect(await rejection(world.first.containers.properties('none'))).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'none' });
      expect(await rejection(world.first.containers.setProperty('none', 'a', 'b'))).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED' });
    });
  });

  describe('process results', () => {
    beforeEach(async () => await insert(world.first, 'c'));

    it('are kept per process, with and without a signal', async () => {
      await world.first.containers.recordProcessResult('c', 'task', { exitStatus: 3, signal: undefined });
      await world.first.containers.recordProcessResult('c', 'hijack', { exitStatus: 137, signal: 9 });
      expect(await world.second.containers.findProcessResult('c', 'task')).to.deep.equal({ exitStatus: 3, signal: undefined });
      expect(await world.second.containers.findProcessResult('c', 'hijack')).to.deep.equal({ exitStatus: 137, signal: 9 });
    });

    it('stand as they were recorded first', async () => {
      await world.first.containers.recordProcessResult('c', 'task', { exitStatus: 0, signal: undefined });
      await world.second.containers.recordProcessResult('c', 'task', { exitStatus: 1, signal: undefined });
      expect(await world.first.containers.findProcessResult('c', 'task')).to.deep.equal({ exitStatus: 0, signal: undefined });
    });

    it('are undefined where none was recorded', async () => {
      await insert(world.first, 'd');
      await world.first.containers.recordProcessResult('d', 'task', { exitStatus: 0, signal: undefined });
      expect(await world.first.containers.findProcessResult('c', 'task')).to.equal(undefined);
      expect(await world.first.containers.findProcessResult('none', 'task')).to.equal(undefined);
    });

    it('of a container that is gone cannot be recorded', async () => {
      const error = await rejection(world.first.containers.recordProcessResult('none', 'p', { exitStatus: 0, signal: undefined }));
      expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'none' });
    });

    it('are refused where they are no exit status', async () => {
      const error = await rejection(world.first.containers.recordProcessResult('c', 'p', { exitStatus: 256, signal: undefined }));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC' });
    });
  });

  describe('register', () => {
    it('gives the same installation id to every worker, each time', async () => {
      const first = await world.first.workers.register('a');
      const second = await world.second.workers.register('b');
      const again = await world.second.workers.register('a');
      expect(first.installationId).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect([second, again]).to.deep.equal([first, first]);
    });
  });
}
