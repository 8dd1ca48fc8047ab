import { describeStoppedHosts } from '../../support/stopped-host/describe-stopped-hosts.ts';

describeStoppedHosts([
  { at: 'halfway', clock: 'runs' },
  { at: 'halfway', clock: 'stands' },
]);
