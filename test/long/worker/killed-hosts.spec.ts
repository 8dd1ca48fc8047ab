import { describeKilledHosts } from '../../support/killed-host/describe-killed-hosts.ts';

describeKilledHosts(20);
