import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import {
  describeFailingCommands,
  describeKilledCommands,
  describeWorkingCommands,
} from '../../contract/service/commands.ts';
import { CommandRig } from '../../support/service/command-rig.ts';
import { type PackedBin, packedBin } from '../../support/service/packed-bin.ts';

describe('the packed program on the embedded cluster', () => {
  let cluster: EmbeddedCluster;
  let bin: PackedBin;
  let rig: CommandRig;

  before(async function () {
    this.timeout(600_000);
    [cluster, bin] = await Promise.all([EmbeddedCluster.start(), packedBin()]);
    const { kubeconfigPath } = cluster;
    rig = await CommandRig.create({ kubeconfigPath, namespace: 'default', image: 'busybox:1' }, bin.program);
  });

  after(async () => {
    await rig?.[Symbol.asyncDispose]();
    await bin?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  describeWorkingCommands(() => rig);
  describeKilledCommands(() => rig);
  describeFailingCommands(() => rig);
});
