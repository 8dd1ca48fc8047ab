import { expect } from 'chai';
import fc from 'fast-check';

import type { ContainerRepository } from '../../../src/repository/container-repository.ts';
import type { ContainerState } from '../../../src/runtime/container-query.ts';
import { containerOf, leaseOf, ownerOf, type RepositoryUnderTest, volumeOf } from './repository-under-test.ts';

interface Row {
  readonly handle: string;
  readonly owner: string;
  state: ContainerState;
  holder: string | undefined;
  lapsed: boolean;
  generation: number;
}

const moves = [
  'findOrInsert',
  'renewLease',
  'releaseLease',
  'lapse',
  'recordPod',
  'markReady',
  'markCreated',
  'markFailed',
  'ownerFinished',
  'handleFinished',
  'ownerFinishedForGood',
  'handleFinishedForGood',
  'pruneFinishedOwners',
  'findDestroyable',
  'delete',
] as const;

interface Move {
  readonly what: (typeof moves)[number];
  readonly owner: string;
  readonly holder: string;
}

const move: fc.Arbitrary<Move> = fc.record({
  what: fc.constantFrom(...moves, 'findOrInsert' as const),
  owner: fc.constantFrom('x', 'y'),
  holder: fc.constantFrom('a', 'b'),
});

/** A model of the port. The rows are in the order of their inserts. */
class Model {
  readonly rows: Row[] = [];
  readonly finished = new Set<string>();

  live(owner: string): Row | undefined {
    return this.rows.find((row) => row.owner === owner && (row.state === 'creating' || row.state === 'created'));
  }

  /** Returns the owner's newest row, which a move by handle acts on. */
  newest(owner: string): Row | undefined {
    return this.rows.findLast((row) => row.owner === owner);
  }

  findOrInsert(owner: string, holder: string, handle: string): string {
    const found = this.live(owner);
    if (found?.state !== 'created' && this.finished.has(owner)) return 'KW_ERR_OWNER_FINISHED';
    if (found === undefined) {
      this.rows.push({ handle, owner, state: 'creating', holder, lapsed: false, generation: 1 });
      return `${handle} creating true 1`;
    }
    const leased =
      found.state === 'creating' && (found.lapsed || found.holder === undefined || found.holder === holder);
    if (leased && found.holder !== holder) found.generation += 1;
    if (leased) Object.assign(found, { holder, lapsed: false });
    return `${found.handle} ${found.state} ${leased} ${found.generation}`;
  }

  renewLease(row: Row | undefined, holder: string): string {
    if (row?.state !== 'creating' || row.holder !== holder) return 'false';
    row.lapsed = false;
    return 'true';
  }

  releaseLease(row: Row | undefined, holder: string): string {
    if (row?.state !== 'creating' || row.holder !== holder) return 'false';
    row.holder = undefined;
    return 'true';
  }

  /**
   * Returns the outcome of a move by the holder while the row is `creating`, and by any caller in
   * the states `also`.
   */
  mayMove(row: Row | undefined, holder: string, also: readonly ContainerState[] = []): string {
    if (row === undefined) return 'KW_ERR_CONTAINER_DISAPPEARED';
    if (row.state === 'creating') return row.holder === holder ? 'undefined' : 'KW_ERR_LEASE_LOST';
    return also.includes(row.state) ? 'undefined' : 'KW_ERR_ILLEGAL_TRANSITION';
  }

  moveTo(row: Row | undefined, holder: string, to: ContainerState): string {
    const answer = this.mayMove(row, holder, [to]);
    if (row !== undefined && answer === 'undefined') row.state = to;
    return answer;
  }

  markCreated(row: Row | undefined, holder: string): string {
    const answer = this.moveTo(row, holder, 'created');
    return answer === 'undefined' ? String(row?.generation) : answer;
  }

  ownerFinished(owner: string, { handle, final }: { handle?: string; final?: boolean }): string {
    const found = this.live(owner);
    const isAnother = handle !== undefined && found !== undefined && found.handle !== handle;
    if (final === true && !isAnother) this.finished.add(owner);
    if (found === undefined || isAnother) return '0';
    found.state = 'destroying';
    return '1';
  }

  findDestroyable(): string {
    for (const row of this.rows)
      if (row.state === 'failed' || (row.state === 'creating' && row.lapsed)) row.state = 'destroying';
    return this.rows
      .filter(({ state }) => state === 'destroying')
      .map(({ handle }) => handle)
      .join();
  }

  delete(row: Row | undefined): string {
    if (row === undefined) return '0';
    if (row.state !== 'destroying') return 'KW_ERR_ILLEGAL_TRANSITION';
    this.rows.splice(this.rows.indexOf(row), 1);
    return '1';
  }
}

export function describeMoves(world: RepositoryUnderTest): void {
  describe('any sequence of moves', () => {
    it('returns what the model returns, and leaves the rows of the model', async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(move, { minLength: 3, maxLength: 30 }), async (sequence) => {
          run += 1;
          await check(world, `worker-${run}`, sequence);
        }),
        { numRuns: 40 },
      );
    });
  });
}

async function check(world: RepositoryUnderTest, workerName: string, sequence: readonly Move[]): Promise<void> {
  await world.first.workers.register(workerName);
  const model = new Model();
  for (const [index, { what, owner, holder }] of sequence.entries()) {
    const repository = index % 2 === 0 ? world.first : world.second;
    const row = model.newest(owner);
    const handle = row?.handle ?? 'none';
    const fresh = `${workerName}-${index}`;
    const { containers } = repository;
    switch (what) {
      case 'findOrInsert':
        expect(await outcome(find(containers, workerName, owner, holder, fresh))).to.equal(
          model.findOrInsert(owner, holder, fresh),
        );
        break;
      case 'renewLease':
        expect(await outcome(containers.renewLease(handle, leaseOf(holder)))).to.equal(model.renewLease(row, holder));
        break;
      case 'lapse':
        await world.query(
          `update ${world.table('containers')} set lease_until = now() - interval '1 second' where handle = '${handle}' and state = 'creating'`,
        );
        if (row?.state === 'creating') row.lapsed = true;
        break;
      case 'releaseLease':
        expect(await outcome(containers.releaseLease(handle, holder))).to.equal(model.releaseLease(row, holder));
        break;
      case 'recordPod':
        expect(await outcome(containers.recordPod(handle, holder, 'uid'))).to.equal(model.mayMove(row, holder));
        break;
      case 'markReady': {
        // With the end of the lease, its holder can no longer mark a volume.
        const answer = row?.state === 'created' ? 'KW_ERR_LEASE_LOST' : model.mayMove(row, holder);
        expect(await outcome(repository.volumes.markReady(`${handle}-v`, undefined, { holder }))).to.equal(
          answer.replace('CONTAINER_DISAPPEARED', 'VOLUME_DISAPPEARED'),
        );
        break;
      }
      case 'markCreated':
        expect(await outcome(containers.markCreated(handle, holder))).to.equal(model.markCreated(row, holder));
        break;
      case 'markFailed':
        expect(await outcome(containers.markFailed(handle, holder))).to.equal(model.moveTo(row, holder, 'failed'));
        break;
      case 'ownerFinished':
      case 'handleFinished':
      case 'ownerFinishedForGood':
      case 'handleFinishedForGood': {
        // The oldest row of the owner: a late host may know it.
        const oldest = model.rows.find((each) => each.owner === owner)?.handle ?? 'none';
        const options = {
          ...(what.startsWith('handle') ? { handle: oldest } : {}),
          ...(what.endsWith('ForGood') ? { final: true } : {}),
        };
        expect(await outcome(containers.markOwnerFinished(workerName, ownerOf(owner), options))).to.equal(
          model.ownerFinished(owner, options),
        );
        break;
      }
      case 'pruneFinishedOwners':
        await world.query(`update ${world.table('finished_owners')} set finished_at = now() - interval '1 second'`);
        expect(await containers.pruneFinishedOwners(workerName, 0)).to.equal(model.finished.size);
        model.finished.clear();
        break;
      case 'findDestroyable': {
        const found = await containers.findDestroyable(workerName, 1_000);
        expect(found.map((each) => each.handle).join()).to.equal(model.findDestroyable());
        break;
      }
      case 'delete':
        expect(await outcome(containers.delete(handle))).to.equal(model.delete(row));
        break;
      default:
        what satisfies never;
    }
  }
  const rows = await world.query(
    `select c.handle, c.state, v.state as volume from ${world.table('containers')} c join ${world.table('volumes')} v on v.container_id = c.id
      where c.worker_name = '${workerName}' order by c.id`,
  );
  expect(rows).to.deep.equal(model.rows.map(({ handle, state }) => ({ handle, state, volume: state })));
}

async function find(
  containers: ContainerRepository,
  workerName: string,
  key: string,
  holder: string,
  handle: string,
): Promise<string> {
  const owner = ownerOf(key);
  const found = await containers.findOrInsert(workerName, owner, leaseOf(holder), () => ({
    ...containerOf(handle, owner, [volumeOf(`${handle}-v`, '/a')]),
    workerName,
  }));
  return `${found.container.handle} ${found.container.state} ${found.leased} ${found.generation}`;
}

/** Resolves with the value, or the code of the error, as a text. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  return await promise.then(String, (error: unknown) => (error as { code: string }).code);
}
