import { describeArchiveDeletion } from './describe-archive-deletion.ts';
import { describeArchivedVolumes } from './describe-archived-volumes.ts';
import { describeArchives } from './describe-archives.ts';
import { describeArtifactVolumes } from './describe-artifact-volumes.ts';
import { describeCacheLimits } from './describe-cache-limits.ts';
import { describeCacheRaces } from './describe-cache-races.ts';
import { describeCaches } from './describe-caches.ts';
import { describeContainerFacts } from './describe-container-facts.ts';
import { describeContainers } from './describe-containers.ts';
import { describeControllersLease } from './describe-controllers-lease.ts';
import { describeDeleteAll } from './describe-delete-all.ts';
import { describeFindOrInsert } from './describe-find-or-insert.ts';
import { describeFinishedOwners } from './describe-finished-owners.ts';
import { describeHazards } from './describe-hazards.ts';
import { describeKeptContainers } from './describe-kept-containers.ts';
import { describeMoves } from './describe-moves.ts';
import { describeQueries } from './describe-queries.ts';
import { describeRaces } from './describe-races.ts';
import { describeReapPlan } from './describe-reap-plan.ts';
import { describeReaperLease } from './describe-reaper-lease.ts';
import { describeReservations } from './describe-reservations.ts';
import { describeUnknownHandles } from './describe-unknown-handles.ts';
import { describeUsage } from './describe-usage.ts';
import { describeVolumeStreams } from './describe-volume-streams.ts';
import { describeWorkerStates } from './describe-worker-states.ts';
import { RepositoryUnderTest, type TestDatabase } from './repository-under-test.ts';

/** Describes the contract of any `Repository`, on the database that `start` returns. */
export function describeRepository(name: string, start: () => Promise<TestDatabase>): void {
  describe(`Repository on ${name}`, function () {
    this.timeout(30_000);
    const world = RepositoryUnderTest.use(start);
    describeFindOrInsert(world);
    describeContainers(world);
    describeFinishedOwners(world);
    describeContainerFacts(world);
    describeQueries(world);
    describeUnknownHandles(world);
    describeDeleteAll(world);
    describeReaperLease(world);
    describeReapPlan(world);
    describeWorkerStates(world);
    describeReservations(world);
    describeControllersLease(world);
    describeArtifactVolumes(world);
    describeVolumeStreams(world);
    describeKeptContainers(world);
    describeUsage(world);
    describeCaches(world);
    describeCacheLimits(world);
    describeArchives(world);
    describeArchivedVolumes(world);
    describeArchiveDeletion(world);
    describeHazards(world);
    describeRaces(world);
    describeCacheRaces(world);
    describeMoves(world);
  });
}
