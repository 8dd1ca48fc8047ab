import { describeStoppedHosts } from '../../support/stopped-host/describe-stopped-hosts.ts';
import type { Stop } from '../../support/stopped-host/stop-hosts.ts';

const clocks = ['runs', 'stands'] as const;
/**
 * Half of the stops are in the middle of the input, the others between the insertion of the row,
 * the creation of the pod and the input.
 */
const stops = clocks.flatMap((clock): Stop[] => [
  ...Array.from({ length: 10 }, () => ({ at: 'halfway' as const, clock })),
  ...Array.from({ length: 10 }, (_, index) => ({ at: index * 100, clock })),
]);

describeStoppedHosts(stops);
