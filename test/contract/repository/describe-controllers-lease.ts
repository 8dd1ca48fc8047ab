import { setImmediate } from 'node:timers/promises';

import { expect } from 'chai';

import { LeaderElection } from '../../../src/controllers/leadership.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import type { RepositoryUnderTest } from './repository-under-test.ts';

/** One object in the election, on a host with a clock of its own. */
interface Candidate {
  readonly election: LeaderElection;
  readonly clock: VirtualClock;
  /** Whether its controllers run. */
  readonly isActive: () => boolean;
}

export function describeControllersLease(world: RepositoryUnderTest): void {
  describe('the lease of the controllers', () => {
    let candidates: Candidate[];

    beforeEach(() => {
      candidates = [];
    });

    afterEach(async () => {
      await Promise.all(candidates.map(({ election }) => election.close()));
    });

    function candidate(host: 'first' | 'second', holder: string): Candidate {
      let active = 0;
      const clock = new VirtualClock();
      const controllers = () => [{ start: () => void (active += 1), close: async () => void (active -= 1) }];
      const { reservations } = world[host];
      const logger = silentLogger;
      const election = new LeaderElection({ workerName: 'worker', holder, reservations, controllers, clock, logger });
      const made = { election, clock, isActive: () => active > 0 };
      candidates.push(made);
      election.start();
      return made;
    }

    const until = async (isDone: () => boolean): Promise<void> => {
      while (!isDone()) await setImmediate();
    };
    const untilRole = async ({ election }: Candidate, role: string): Promise<void> =>
      await until(() => election.leadership.role === role);
    const lapse = () =>
      world.query(`update ${world.table('reservations')} set expires_at = now() - interval '1 millisecond'`);
    const expiry = async (): Promise<unknown> => {
      const [row] = await world.query(`select expires_at::text as at from ${world.table('reservations')}`);
      return row?.['at'];
    };

    it('is shown with the worker while it lives', async () => {
      const leader = async (): Promise<string | undefined> => (await world.second.workerStates.find('worker'))?.leader;
      expect(await leader()).to.equal(undefined);
      const first = candidate('first', 'machine/1');
      await untilRole(first, 'leader');
      expect(await leader()).to.equal('machine/1');
      const beaten = await world.first.workerStates.heartbeat('worker', 60_000);
      expect(beaten?.worker.leader).to.equal('machine/1');
      await lapse();
      expect(await leader()).to.equal(undefined);
    });

    it('has one leader among ten objects, which runs its controllers', async () => {
      for (let index = 0; index < 10; index += 1) candidate(index % 2 === 0 ? 'first' : 'second', `object-${index}`);
      await until(() => candidates.every(({ election }) => election.leadership.role !== 'unknown'));
      expect(candidates.filter(({ election }) => election.leadership.role === 'leader')).to.have.length(1);
      await until(() => candidates.some(({ isActive }) => isActive()));
      expect(candidates.filter(({ isActive }) => isActive())).to.have.length(1);
    });

    it('is renewed by the database’s clock while its holder lives', async () => {
      const leader = candidate('first', 'a');
      await until(leader.isActive);
      const before = await expiry();
      await leader.clock.advance(3_000);
      let after = before;
      while (after === before) after = await expiry();
      expect(leader.isActive()).to.equal(true);
    });

    it('is handed back by a leader that closes, after its controllers have ended', async () => {
      const leader = candidate('first', 'a');
      await untilRole(leader, 'leader');
      const follower = candidate('second', 'b');
      await untilRole(follower, 'follower');
      await leader.election.close();
      expect(leader.isActive()).to.equal(false);
      expect(await world.count('reservations')).to.equal(0);
      await follower.clock.advance(1_000);
      await until(follower.isActive);
    });

    it('passes to a follower when it has lapsed by the database, and its suspended holder ends then', async () => {
      const leader = candidate('first', 'a');
      await until(leader.isActive);
      const follower = candidate('second', 'b');
      await untilRole(follower, 'follower');
      // The clock of the holder does not move: it is suspended.
      await lapse();
      await follower.clock.advance(1_000);
      await until(follower.isActive);
      expect(leader.isActive()).to.equal(true);
      await leader.clock.advance(3_000);
      await until(() => !leader.isActive());
      await leader.clock.advance(1_000);
      await untilRole(leader, 'follower');
      await follower.clock.advance(3_000);
      expect(follower.isActive()).to.equal(true);
    });

    it('is not acquired by the holder of another worker', async () => {
      await world.first.workers.register('other');
      await world.first.reservations.reserve({
        workerName: 'other',
        kind: 'kubernetes-worker/controllers',
        id: 'b',
        limit: 1,
        ttlMs: 600_000,
      });
      await until(candidate('first', 'a').isActive);
    });

    it('is respected as its row is, whatever version wrote it, until it lapses', async () => {
      await world.query(
        `insert into ${world.table('reservations')} (worker_name, kind, place, id, expires_at)
         values ('worker', 'kubernetes-worker/controllers', 1, 'other', now() + interval '1 hour')`,
      );
      const waiting = candidate('first', 'a');
      await untilRole(waiting, 'follower');
      await lapse();
      await waiting.clock.advance(1_000);
      await until(waiting.isActive);
    });

    it('ends with the worker’s row', async () => {
      await world.query(`delete from ${world.table('workers')}`);
      const { election, clock } = candidate('first', 'a');
      // Nothing waits for its next try.
      await election.close();
      expect(clock.sleeping).to.equal(0);
      expect(await world.count('reservations')).to.equal(0);
    });
  });
}
