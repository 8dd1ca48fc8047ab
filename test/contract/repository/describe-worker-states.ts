import { expect } from 'chai';

import type { Repository } from '../../../src/repository/repository.ts';
import {
  artifactOf,
  containerOf,
  insert,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
  rejection,
} from './repository-under-test.ts';

const minuteMs = 60_000;

/** Describes the states of a worker, on two hosts of it. */
export function describeWorkerStates(world: RepositoryUnderTest): void {
  const states = (host: 'first' | 'second' = 'first') => world[host].workerStates;
  const stateOf = async (name = 'worker') => (await states('second').find(name))?.state;
  const beat = async (host: 'first' | 'second' = 'first') => await states(host).heartbeat('worker', minuteMs);
  const set = async (columns: string) =>
    await world.query(`update ${world.table('workers')} set ${columns} where name = 'worker'`);
  const expire = async () => await set("expires_at = now() - interval '1 millisecond'");
  const insertArtifact = async (repository: Repository, handle: string) =>
    await repository.volumes.insertArtifact(artifactOf(handle));
  /** Deletes a container as the reaper does. */
  const reap = async () => {
    for (const { handle } of await world.first.containers.findDestroyable('worker', 10))
      await world.first.containers.delete(handle);
    for (const { handle } of await world.first.volumes.findDestroyable('worker', 10))
      await world.first.volumes.delete(handle);
  };

  describe('a heartbeat', () => {
    it('is missing in a worker that never had one, which is running', async () => {
      const worker = await states().find('worker');
      expect(worker).to.include({ name: 'worker', state: 'running', activeContainers: 0, activeVolumes: 0 });
      expect([worker?.heartbeatAt, worker?.expiresAt]).to.deep.equal([undefined, undefined]);
      expect(worker?.registeredAt).to.be.instanceOf(Date);
    });

    it('has the time of the last pass of the reaper, of any host', async () => {
      expect((await states().find('worker'))?.reaperPassAt).to.equal(undefined);
      const before = await world.first.workers.time();
      await world.second.workers.beginReap('worker', { holder: 'h', durationMs: minuteMs }, { sinceMs: 0 });
      expect((await states().find('worker'))?.reaperPassAt).to.be.within(before, await world.first.workers.time());
    });

    it('expires after its time, by the database', async () => {
      const { from, worker } = (await beat())!;
      expect([from, worker.state]).to.deep.equal(['running', 'running']);
      expect(worker.expiresAt!.getTime() - worker.heartbeatAt!.getTime()).to.equal(minuteMs);
      expect(await states('second').find('worker')).to.deep.equal(worker);
    });

    it('counts live containers and volumes', async () => {
      await insert(world.first, 'a');
      await insert(world.first, 'b');
      await insert(world.first, 'failed');
      await world.first.containers.markCreated('a', 'holder');
      await world.first.containers.markFailed('failed', 'holder');
      await insertArtifact(world.first, 'artifact');
      await world.first.workers.register('other');
      expect((await beat())?.worker).to.include({ activeContainers: 2, activeVolumes: 5 });
      expect((await states().heartbeat('other', 1))?.worker).to.include({ activeContainers: 0, activeVolumes: 0 });
    });

    it('does not end earlier because of a later one with a shorter time', async () => {
      const { worker } = (await beat())!;
      const { worker: later } = (await states('second').heartbeat('worker', 1_000))!;
      expect(later.expiresAt).to.deep.equal(worker.expiresAt);
    });

    it('makes a running worker stall when it expires, by the database, and the next one makes it run', async () => {
      await beat();
      await expire();
      expect(await stateOf()).to.equal('stalled');
      expect(await beat('second')).to.include({ from: 'stalled' });
      expect(await stateOf()).to.equal('running');
    });

    it('does not make a worker stall that lands or retires', async () => {
      for (const move of ['land', 'retire'] as const) {
        await states()[move]('worker');
        await set("expires_at = now() - interval '1 hour'");
        expect(await stateOf()).to.equal(move === 'land' ? 'landing' : 'retiring');
      }
    });

    it('rejects a time that is not one', async () => {
      const error = await rejection(states().heartbeat('worker', -1));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'expiresInMs' });
    });
  });

  describe('a stalled worker', () => {
    it('H9: keeps all that it has, and accepts more', async () => {
      await insert(world.first, 'c');
      await world.first.containers.markCreated('c', 'holder');
      await insertArtifact(world.first, 'a');
      await world.first.volumes.markCreated('a');
      await beat();
      await expire();
      await reap();
      await insert(world.second, 'another');
      await insertArtifact(world.second, 'b');
      expect([await world.count('containers'), await world.count('volumes')]).to.deep.equal([2, 6]);
      expect((await world.first.containers.lookup('worker', 'c'))?.state).to.equal('created');
    });
  });

  describe('a list of workers', () => {
    it('has all workers by name, each with its state', async () => {
      await world.first.workers.register('a worker');
      await states().land('worker');
      const { workers, unreadable } = await states('second').list();
      expect(workers.map(({ name, state }) => `${name}: ${state}`)).to.deep.equal([
        'a worker: running',
        'worker: landing',
      ]);
      expect(unreadable).to.deep.equal([]);
    });

    it('H10: is not broken by a row without counts, nor by one that cannot be read', async () => {
      for (const name of ['without counts', 'without end']) await world.first.workers.register(name);
      await set("heartbeat_at = now(), expires_at = now() + interval '1 hour'");
      const workers = world.table('workers');
      await world.query(`update ${workers} set heartbeat_at = now() where name = 'without counts'`);
      await world.query(`update ${workers} set expires_at = 'infinity' where name = 'without end'`);
      const list = await states().list();
      expect(list.workers.map(({ name }) => name)).to.deep.equal(['without counts', 'worker']);
      expect(list.unreadable).to.deep.equal(['without end']);
      expect(await rejection(states().find('without end'))).to.include({ code: 'KW_ERR_REPOSITORY_UNAVAILABLE' });
    });
  });

  for (const [move, state] of [
    ['land', 'landing'],
    ['retire', 'retiring'],
  ] as const) {
    describe(`a worker that is ${state}`, () => {
      it('accepts no new container and no artifact volume, on any host', async () => {
        expect((await states()[move]('worker'))?.worker.state).to.equal(state);
        const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', workerName: 'worker', state };
        expect(await rejection(insert(world.second, 'late'))).to.include(refused);
        expect(await rejection(insertArtifact(world.second, 'late'))).to.include(refused);
        expect([await world.count('containers'), await world.count('volumes')]).to.deep.equal([0, 0]);
      });

      it('accepts no container that a call has begun to make before', async () => {
        const late = world.second.containers.findOrInsert('worker', ownerOf('late'), leaseOf('me'), async () => {
          await states()[move]('worker');
          return containerOf('late', ownerOf('late'));
        });
        expect(await rejection(late)).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING', state });
        expect(await world.count('containers')).to.equal(0);
      });

      it('completes and keeps the containers and artifact volumes that it has', async () => {
        await insert(world.first, 'created');
        await world.first.containers.markCreated('created', 'holder');
        await insert(world.first, 'creating');
        await insertArtifact(world.first, 'artifact');
        await states()[move]('worker');
        for (const key of ['created', 'creating']) {
          const make = () => containerOf('x', ownerOf(key));
          const found = await world.second.containers.findOrInsert('worker', ownerOf(key), leaseOf('holder'), make);
          expect(found.container.handle).to.equal(key);
        }
        await world.second.containers.markCreated('creating', 'holder');
        expect((await world.second.volumes.markCreated('artifact')).state).to.equal('created');
      });

      it('accepts containers again when it is resumed', async () => {
        await states()[move]('worker');
        expect(await states('second').resume('worker')).to.include({ from: state });
        await insert(world.first, 'c');
        expect((await beat())?.worker).to.include({ state: 'running', activeContainers: 1 });
      });

      it('does not affect another worker, nor does the next registration affect it', async () => {
        await world.first.workers.register('other');
        await states()[move]('worker');
        await world.second.workers.register('worker');
        expect([await stateOf('other'), await stateOf()]).to.deep.equal(['running', state]);
      });
    });
  }

  describe('landing', () => {
    it('ends with the heartbeat that finds no live container', async () => {
      await insert(world.first, 'c');
      await states().land('worker');
      expect((await beat())?.worker).to.include({ state: 'landing', activeContainers: 1 });
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      const { from, worker } = (await beat('second'))!;
      expect([from, worker.state]).to.deep.equal(['landing', 'landed']);
      expect(await states().land('worker')).to.include({ from: 'landed' });
      expect(await stateOf()).to.equal('landed');
      expect(await rejection(insert(world.first, 'late'))).to.include({ state: 'landed' });
      expect((await beat())?.from).to.equal('landed');
    });

    it('H11: waits for artifact volumes until they have expired', async () => {
      await insertArtifact(world.first, 'expired');
      await insertArtifact(world.first, 'needed');
      await states().land('worker');
      await beat();
      expect(await stateOf()).to.equal('landing');
      const expired = `update ${world.table('volumes')} set expires_at = now() - interval '1 millisecond'`;
      await world.query(`${expired} where handle = 'expired'`);
      await beat();
      expect(await stateOf()).to.equal('landing');
      await world.first.volumes.expire('worker', 'needed');
      await beat();
      expect(await stateOf()).to.equal('landed');
    });

    it('does not wait for artifact volumes that are to be kept, until it is to wait again', async () => {
      await insertArtifact(world.first, 'a');
      await states().land('worker', { artifacts: 'keep' });
      await states().land('worker', { artifacts: 'wait' });
      await beat();
      expect(await stateOf()).to.equal('landing');
      await states().land('worker', { artifacts: 'keep' });
      await beat();
      expect(await stateOf()).to.equal('landed');
    });

    it('does not wait for the containers of another worker', async () => {
      await insert(world.first, 'c');
      await world.first.workers.register('other');
      await states().land('other');
      expect((await states().heartbeat('other', 1))?.worker.state).to.equal('landed');
    });
  });

  describe('retiring', () => {
    it('H6: deletes the row only when no container and no volume of any state is left', async () => {
      await insert(world.first, 'c');
      await insertArtifact(world.first, 'a');
      await world.first.containers.markOwnerFinished('worker', ownerOf('gone'), { final: true });
      await states().retire('worker');
      const isDeleted = async () => await states('second').deleteRetired('worker');
      expect(await isDeleted()).to.equal(false);
      await world.first.containers.markOwnerFinished('worker', ownerOf('c'));
      await world.first.volumes.expire('worker', 'a');
      expect(await isDeleted()).to.equal(false);
      for (const { handle } of await world.first.containers.findDestroyable('worker', 10))
        await world.first.containers.delete(handle);
      expect(await isDeleted()).to.equal(false);
      await reap();
      expect(await isDeleted()).to.equal(true);
      expect(await isDeleted()).to.equal(false);
      expect([await world.count('workers'), await world.count('finished_owners')]).to.deep.equal([0, 0]);
    });

    it('H6: never deletes rows with the worker: the database refuses it', async () => {
      await insert(world.first, 'c');
      await rejection(world.query(`delete from ${world.table('workers')}`));
      expect(await world.count('containers')).to.equal(1);
    });

    it('deletes no worker in another state', async () => {
      for (const move of ['resume', 'land'] as const) {
        await states()[move]('worker');
        expect(await states().deleteRetired('worker')).to.equal(false);
      }
      await beat();
      expect(await states().deleteRetired('worker')).to.equal(false);
      expect(await stateOf()).to.equal('landed');
    });
  });

  describe('a worker that no longer exists', () => {
    it('is found by no call, and accepts nothing, until it is registered again', async () => {
      await states().retire('worker');
      await states().deleteRetired('worker');
      const { find, land, resume, retire } = {
        find: await states('second').find('worker'),
        land: await states('second').land('worker'),
        resume: await states('second').resume('worker'),
        retire: await states('second').retire('worker'),
      };
      expect([find, land, resume, retire, await beat('second')]).to.deep.equal(Array(5).fill(undefined));
      const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'retired' };
      expect(await rejection(insert(world.second, 'late'))).to.include(refused);
      expect(await rejection(insertArtifact(world.second, 'late'))).to.include(refused);
      expect(await world.first.containers.markOwnerFinished('worker', ownerOf('c'), { final: true })).to.equal(0);
      await world.second.workers.register('worker');
      await insert(world.first, 'c');
      expect(await stateOf()).to.equal('running');
    });
  });

  describe('pruning', () => {
    const fill = async () => {
      await insert(world.first, 'c');
      await world.first.containers.markCreated('c', 'holder');
      await world.first.containers.setProperty('c', 'name', 'value');
      await insertArtifact(world.first, 'a');
      await world.first.containers.markOwnerFinished('worker', ownerOf('gone'), { final: true });
    };
    const left = async () =>
      await Promise.all(
        ['workers', 'containers', 'volumes', 'finished_owners', 'container_properties'].map((table) =>
          world.count(table),
        ),
      );

    for (const [state, enter] of Object.entries({
      stalled: async () => {
        await beat();
        await expire();
      },
      landed: async () => await set("state = 'landed'"),
      retiring: async () => await states().retire('worker'),
      'landing and expired': async () => {
        await states().land('worker');
        await expire();
      },
    }))
      it(`deletes all rows of a worker that is ${state}, and of no other`, async () => {
        await world.first.workers.register('other');
        await fill();
        await enter();
        expect(await states('second').prune('worker')).to.equal(true);
        expect(await left()).to.deep.equal([1, 0, 0, 0, 0]);
        expect(await states('second').prune('worker')).to.equal(false);
      });

    for (const [state, enter] of Object.entries({
      running: async () => await beat(),
      landing: async () => await states().land('worker'),
    }))
      it(`refuses a worker that is ${state}, and changes nothing`, async () => {
        await fill();
        await enter();
        const refused = { code: 'KW_ERR_ILLEGAL_TRANSITION', subject: 'worker worker', from: state, to: 'pruned' };
        expect(await rejection(states().prune('worker'))).to.include(refused);
        expect(await left()).to.deep.equal([1, 1, 3, 1, 1]);
        expect(await stateOf()).to.equal(state);
      });
  });

  describe('concurrent moves of a worker', () => {
    it('leave it landed without a container, or with one that was inserted before it began to land', async () => {
      for (let round = 0; round < 10; round += 1) {
        await states().resume('worker');
        const key = `c${round}`;
        const [inserted] = await Promise.allSettled([
          insert(world.second, key),
          states().land('worker'),
          ...[0, 1, 2].map((turn) => beat(turn === 1 ? 'second' : 'first')),
        ]);
        const isLanded = (await beat())?.worker.state === 'landed';
        expect(isLanded).to.equal(inserted.status === 'rejected');
        await world.first.containers.markOwnerFinished('worker', ownerOf(key));
      }
    });

    it('delete a retiring worker once, and no heartbeat brings it back', async () => {
      await states().retire('worker');
      const deleted = await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          await beat(index % 2 === 0 ? 'first' : 'second');
          return await states(index % 2 === 0 ? 'second' : 'first').deleteRetired('worker');
        }),
      );
      expect(deleted.filter(Boolean)).to.have.length(1);
      expect(await beat()).to.equal(undefined);
    });
  });
}
