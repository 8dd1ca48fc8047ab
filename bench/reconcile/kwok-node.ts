import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { kubectl } from '../process/kubectl.ts';

const run = promisify(execFile);
const tools = fileURLToPath(new URL('../../hack/tools/', import.meta.url));

/** A simulated node of a real cluster. */
export interface KwokNode extends AsyncDisposable {
  readonly name: string;
}

/**
 * Adds a node to the cluster, and starts [kwok](https://kwok.sigs.k8s.io), which reports its pods as
 * running and ends those that are deleted. The node exists until it is disposed of.
 */
export async function startKwokNode(kubeconfig: string): Promise<KwokNode> {
  const { stdout } = await run(join(tools, 'build'), ['kwok']);
  const name = `kwok-${randomBytes(4).toString('hex')}`;
  const folder = await mkdtemp(join(tmpdir(), 'kwok-'));
  const manifest = join(folder, 'node.json');
  await writeFile(manifest, JSON.stringify(nodeOf(name)));
  await kubectl(['--kubeconfig', kubeconfig, 'create', '-f', manifest]);
  const kwok = spawn(
    stdout.trim(),
    [
      ...['--config', join(tools, 'kwok/stages.yaml'), '--kubeconfig', kubeconfig],
      ...['--manage-single-node', name, '--node-lease-duration-seconds', '40'],
    ],
    // It logs each pod that has gone before it deletes it.
    { stdio: 'ignore' },
  );
  const node: KwokNode = {
    name,
    [Symbol.asyncDispose]: async () => {
      if (kwok.exitCode === null) {
        const exited = once(kwok, 'exit');
        kwok.kill();
        await exited;
      }
      await kubectl(['--kubeconfig', kubeconfig, 'delete', 'node', name]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await kubectl(['--kubeconfig', kubeconfig, 'wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s']);
    return node;
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
}

/** The taint keeps all pods away but those that name the node. */
function nodeOf(name: string): object {
  const room = { cpu: '1k', memory: '1Ti', pods: '10k' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { type: 'kwok' } },
    spec: { taints: [{ key: 'kwok', value: 'simulated', effect: 'NoSchedule' }] },
    status: { allocatable: room, capacity: room },
  };
}
