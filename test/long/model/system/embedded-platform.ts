import { composeAgents } from '../../../../src/composition/compose-agents.ts';
import { composeWorker } from '../../../../src/composition/compose-worker.ts';
import { ApiUnavailableError } from '../../../../src/errors/cluster.ts';
import { systemClock } from '../../../../src/internal/system-clock.ts';
import { ClientNodeCluster } from '../../../../src/kubernetes/api/client-node-cluster.ts';
import type { Cluster } from '../../../../src/kubernetes/cluster.ts';
import { AgentDelivery } from '../../../../src/pods/agent-delivery.ts';
import type { Clock } from '../../../../src/runtime/options.ts';
import { PodWorker } from '../../../../src/worker/pod-worker.ts';
import { readTar, tarOf } from '../../../support/tar.ts';
import type { Gate } from './gate.ts';
import type { OpenedReplica, Platform } from './platform.ts';
import { commonFoundations, openDatabase, type ReplicaParts, replicaOptions } from './replica.ts';

const file = 'content';

/** Real pods with real agents, on the embedded cluster of a kubeconfig. */
export function embeddedPlatform(kubeConfig: string): Platform {
  return {
    seesPods: false,
    open: async (parts) => await openReplica(kubeConfig, parts),
    archive: async (text) => await tarOf({ [file]: text }),
    textOf: async (archive) => (await readTar(archive)).get(file)?.content.toString().trim() ?? '',
    command: (text) => ({
      path: 'sh',
      // Renamed, because a file may be read while it is written.
      args: ['-c', `for d in /made /cache; do echo '${text}' > $d/new; mv $d/new $d/${file}; done; sleep 0.1; exit 7`],
    }),
  };
}

async function openReplica(kubeConfig: string, { id, gate, database, ...parts }: ReplicaParts): Promise<OpenedReplica> {
  const { pool, repository, installationId } = await openDatabase({ id, gate, database });
  const real = await ClientNodeCluster.fromConfig({ kubeConfig, namespace: 'default' });
  const dropped = new AbortController();
  const delivery = new AgentDelivery(real, { architecture: 'amd64' });
  await delivery.ensure('amd64');
  // The clock of the database is that of the model.
  const clock: Clock = { ...systemClock(), now: () => database.now };
  const options = replicaOptions({ id, gate, pool, ...parts });
  const agents = composeAgents(options, real, clock);
  const cluster = gatedCluster(real, id, gate, dropped.signal);
  const foundations = { ...commonFoundations(id), cluster, repository, installationId, delivery, agents, clock };
  pool.gated = true;
  return {
    worker: new PodWorker(composeWorker(options, foundations)),
    drop: () => {
      dropped.abort();
      agents.pool.close();
    },
  };
}

/** Passes each request to the API through the gate. A watch ends with its incarnation. */
function gatedCluster(real: ClientNodeCluster, caller: string, gate: Gate, dropped: AbortSignal): Cluster {
  const failure = (): Error =>
    new ApiUnavailableError({ verb: 'call', resource: 'pods', namespace: 'default' }, 'no answer', undefined);
  const watchPods: Cluster['watchPods'] = (selector, version, { signal } = {}) =>
    real.watchPods(selector, version, {
      signal: AbortSignal.any([dropped, ...(signal === undefined ? [] : [signal])]),
    });
  return new Proxy<Cluster>(real, {
    get: (_, name) => {
      if (name === 'watchPods') return watchPods;
      const value: unknown = Reflect.get(real, name, real);
      if (typeof value !== 'function' || name === 'execEndpoint')
        return typeof value === 'function' ? value.bind(real) : value;
      return async (...values: unknown[]) =>
        await gate.pass({
          caller,
          kind: 'api',
          name: `${caller} ${String(name)}`,
          effect: async () => (await Reflect.apply(value, real, values)) as unknown,
          failure,
        });
    },
  });
}
