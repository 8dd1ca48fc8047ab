import { randomUUID } from 'node:crypto';

import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { ContainerOwner } from '../../../src/index.ts';
import { type CliResult, runCli } from '../../support/service/cli.ts';
import { type CliWorld, cliWorld } from '../../support/service/cli-world.ts';

describe('kubernetes-worker finish', () => {
  let cluster: EmbeddedCluster;
  let world: CliWorld;

  before(async () => {
    cluster = await EmbeddedCluster.start();
    world = await cliWorld({ kubeconfigPath: cluster.kubeconfigPath, namespace: 'default', image: 'busybox:1' });
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  const create = async (): Promise<{ readonly owner: ContainerOwner; readonly handle: string }> => {
    const owner = { kind: 'cli-test', key: randomUUID() };
    const { container } = await world.worker.findOrCreateContainer(owner, { image: 'busybox:1' });
    return { owner, handle: container.handle };
  };
  const finish = (...args: readonly string[]): Promise<CliResult> => runCli(['finish', ...args], { env: world.env });

  it('finishes the owner of a container, and deletes the container', async () => {
    const { owner, handle } = await create();
    const other = await create();
    const { exitCode, stdout } = await finish(handle);
    expect([exitCode, stdout]).to.deep.equal([
      0,
      `owner cli-test/${owner.key} has finished; container ${handle} is deleted\n`,
    ]);
    const { containers } = await world.worker.listContainers();
    expect(containers.map((each) => each.handle)).to.deep.equal([other.handle]);
  });

  it('ends a container that is kept', async () => {
    const { owner, handle } = await create();
    await world.worker.ownerFinished(owner, { keepForMs: 60_000 });
    const { stdout } = await finish(handle, '--json');
    expect(JSON.parse(stdout)).to.deep.include({ handle, deleted: true });
  });

  it('lets the owner have another container, unless it finishes for good', async () => {
    const { owner, handle } = await create();
    await finish(handle);
    const again = await world.worker.findOrCreateContainer(owner, { image: 'busybox:1' });
    await finish(again.container.handle, '--final');
    const rejected = await world.worker
      .findOrCreateContainer(owner, { image: 'busybox:1' })
      .catch((error: unknown) => error);
    expect(rejected).to.include({ code: 'KW_ERR_OWNER_FINISHED' });
  });
});
