import type { Migration } from 'kysely/migration';

import { initial } from './0001-initial.ts';
import { processFacts } from './0002-process-facts.ts';
import { leaseGeneration } from './0003-lease-generation.ts';
import { outputSizes } from './0004-output-sizes.ts';
import { addSpecDigest } from './0005-spec-digest.ts';
import { finishedOwners } from './0006-finished-owners.ts';
import { containerLists } from './0007-container-lists.ts';
import { processTimes } from './0008-process-times.ts';
import { processDigest } from './0009-process-digest.ts';
import { reaperLease } from './0010-reaper-lease.ts';
import { workerStates } from './0011-worker-states.ts';
import { retention } from './0012-retention.ts';
import { caches } from './0013-caches.ts';
import { reservations } from './0014-reservations.ts';
import { migrationChecksums } from './0015-migration-checksums.ts';
import { archives } from './0016-archives.ts';
import { volumeLists } from './0017-volume-lists.ts';
import { archivesByDigest } from './0018-archives-by-digest.ts';
import { compatibleFrom } from './0019-compatible-from.ts';
import { listsByKind } from './0020-lists-by-kind.ts';
import { startedHijacks } from './0021-started-hijacks.ts';

/** A migration, and which versions of the library work with a schema that has it. */
export interface SchemaMigration extends Migration {
  /**
   * The name of the oldest migration at which a version of the library may end and still work with a
   * schema that has this one. Such a version opens the database although it does not have the
   * migration. `undefined`: none does.
   */
  readonly compatibleFrom?: string | undefined;
}

/**
 * The migrations by name. They run in the order of their names. The effect of a released migration
 * never changes: `checksums.ts` has the checksum of each.
 */
export const migrations: Readonly<Record<string, SchemaMigration>> = {
  '0001-initial': { up: initial },
  '0002-process-facts': { up: processFacts },
  '0003-lease-generation': { up: leaseGeneration },
  '0004-output-sizes': { up: outputSizes },
  '0005-spec-digest': { up: addSpecDigest },
  '0006-finished-owners': { up: finishedOwners },
  '0007-container-lists': { up: containerLists },
  '0008-process-times': { up: processTimes },
  '0009-process-digest': { up: processDigest },
  '0010-reaper-lease': { up: reaperLease },
  '0011-worker-states': { up: workerStates },
  '0012-retention': { up: retention },
  '0013-caches': { up: caches },
  '0014-reservations': { up: reservations },
  '0015-migration-checksums': { up: migrationChecksums },
  '0016-archives': { up: archives },
  '0017-volume-lists': { up: volumeLists },
  '0018-archives-by-digest': { up: archivesByDigest, compatibleFrom: '0017-volume-lists' },
  '0019-compatible-from': { up: compatibleFrom, compatibleFrom: '0017-volume-lists' },
  '0020-lists-by-kind': { up: listsByKind, compatibleFrom: '0017-volume-lists' },
  '0021-started-hijacks': { up: startedHijacks, compatibleFrom: '0017-volume-lists' },
};
