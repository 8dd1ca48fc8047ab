import { describeCaches } from './caches.ts';
import { describeContainers } from './containers.ts';
import { describeHijacks } from './hijacks.ts';
import { describeShortLivedHosts } from './hosts.ts';
import { describeInput } from './input.ts';
import { describeProcesses } from './processes.ts';
import { describeQueries } from './queries.ts';
import { describeRetention } from './retention.ts';
import { describeSecrets } from './secrets.ts';
import { describeSidecars } from './sidecars.ts';
import { describeTerminals } from './terminals.ts';
import { describeVolumes } from './volumes.ts';

/** The whole contract of a worker. */
export const workerSuites = [
  describeVolumes,
  describeProcesses,
  describeContainers,
  describeQueries,
  describeShortLivedHosts,
  describeInput,
  describeTerminals,
  describeHijacks,
  describeRetention,
  describeSecrets,
  describeSidecars,
  describeCaches,
] as const;
