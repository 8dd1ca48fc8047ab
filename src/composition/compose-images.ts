import { type ExaminedImage, examineImages } from '../images/image-examination.ts';
import { ImagePreflight } from '../images/image-preflight.ts';
import { configuredImages, type ImageSettings } from '../images/image-settings.ts';
import { RegistryClient } from '../images/registry-client.ts';
import { StepImageResolver } from '../images/step-images.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { readPullSecrets } from '../kubernetes/pod-spec/pull-secrets.ts';
import type { AgentDelivery } from '../pods/agent-delivery.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import { preflightMetrics } from '../telemetry/preflight-metrics.ts';

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
  /** Looks the images of the options up in their registries. */
  readonly examine: (options: AbortOptions) => Promise<readonly ExaminedImage[]>;
}

export function composeImages(components: WorkerImagesComponents): WorkerImages {
  const { settings, pullSecrets, cluster, delivery, clock, logger } = components;
  const architecture = (options: AbortOptions): Promise<Architecture> => delivery.architecture(options);
  const secrets = (options: AbortOptions): Promise<readonly string[]> => readPullSecrets(cluster, pullSecrets, options);
  const preflight =
    settings.preflight === undefined
      ? undefined
      : new ImagePreflight({
          ...settings.preflight,
          registry: new RegistryClient({ fetch, plainHttpRegistries: settings.preflight.plainHttpRegistries }),
          pullSecrets: secrets,
          checked: preflightMetrics(),
          clock,
          logger,
        });
  const images = new StepImageResolver({
    policy: settings.policy,
    preflight,
    architecture,
  });
  const examine = async (options: AbortOptions): Promise<readonly ExaminedImage[]> => {
    const registry = new RegistryClient({ fetch, plainHttpRegistries: settings.plainHttpRegistries });
    const components = { registry, pullSecrets: secrets, architecture, clock, logger };
    return await examineImages(configuredImages(settings), components, options);
  };
  return { images, preflight, examine };
}
