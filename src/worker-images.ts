import { ImagePreflight } from './images/image-preflight.ts';
import type { ImageSettings } from './images/image-settings.ts';
import { RegistryClient } from './images/registry-client.ts';
import { StepImageResolver } from './images/step-images.ts';
import type { Cluster } from './kubernetes/cluster.ts';
import { readPullSecrets } from './kubernetes/pod-spec/pull-secrets.ts';
import type { AgentDelivery } from './pods/agent-delivery.ts';
import type { Clock, Logger } from './runtime/options.ts';
import { preflightMetrics } from './telemetry/preflight-metrics.ts';

interface WorkerImagesComponents {
  readonly settings: ImageSettings;
  readonly pullSecrets: readonly string[];
  readonly cluster: Cluster;
  readonly delivery: AgentDelivery;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What resolves the images of a worker's steps. */
export interface WorkerImages {
  readonly images: StepImageResolver;
  readonly preflight: ImagePreflight | undefined;
}

export function composeImages(components: WorkerImagesComponents): WorkerImages {
  const { settings, pullSecrets, cluster, delivery, clock, logger } = components;
  const preflight =
    settings.preflight === undefined
      ? undefined
      : new ImagePreflight({
          ...settings.preflight,
          registry: new RegistryClient({ fetch, plainHttpRegistries: settings.preflight.plainHttpRegistries }),
          pullSecrets: (options) => readPullSecrets(cluster, pullSecrets, options),
          checked: preflightMetrics(),
          clock,
          logger,
        });
  const images = new StepImageResolver({
    policy: settings.policy,
    preflight,
    architecture: (options) => delivery.architecture(options),
  });
  return { images, preflight };
}
