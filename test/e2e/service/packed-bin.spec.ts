import { describeKilledCommands, describeWorkingCommands } from '../../contract/service/commands.ts';
import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { CommandRig } from '../../support/service/command-rig.ts';
import { type PackedBin, packedBin } from '../../support/service/packed-bin.ts';

describe('the packed program on a real cluster', () => {
  let real: RealCluster;
  let bin: PackedBin;
  let rig: CommandRig;

  before(async function () {
    this.timeout(600_000);
    real = await realCluster(this, 'packed-bin');
    bin = await packedBin();
    const { kubeconfigPath, namespace } = real;
    rig = await CommandRig.create({ kubeconfigPath, namespace, image: shellImage }, bin.program);
  });

  after(async () => {
    await rig?.[Symbol.asyncDispose]();
    await bin?.[Symbol.asyncDispose]();
    await real?.remove();
  });

  describeWorkingCommands(() => rig);
  describeKilledCommands(() => rig);
});
