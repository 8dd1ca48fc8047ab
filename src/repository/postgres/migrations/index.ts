import type { RawBuilder } from 'kysely';

import type { Tables } from '../tables.ts';
import { initial } from './0001-initial.ts';
import { processFacts } from './0002-process-facts.ts';
import { leaseGeneration } from './0003-lease-generation.ts';
import { outputSizes } from './0004-output-sizes.ts';

/** The statements of each migration by its name. Names sort in the order in which they run; one that was released is never changed. */
export const migrations: Readonly<Record<string, (tables: Tables) => readonly RawBuilder<unknown>[]>> = {
  '0001-initial': initial,
  '0002-process-facts': processFacts,
  '0003-lease-generation': leaseGeneration,
  '0004-output-sizes': outputSizes,
};
