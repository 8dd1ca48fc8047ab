import { z } from 'zod';

import { type Shape } from './section.ts';
import { type DatabaseSection, databaseSection } from './sections/database.ts';
import { type ImagesSection, imagesSection } from './sections/images.ts';
import {
  type ArtifactsSection,
  artifactsSection,
  type CachesSection,
  cachesSection,
  type RetentionSection,
  retentionSection,
} from './sections/lifetimes.ts';
import { type LimitsSection, limitsSection, type TransfersSection, transfersSection } from './sections/limits.ts';
import { type PodsSection, podsSection } from './sections/pods.ts';
import {
  type LoggingSection,
  loggingSection,
  type MetricsSection,
  metricsSection,
  type ReaperSection,
  type RegistrarSection,
  reaperSection,
  registrarSection,
  type ShutdownSection,
  type StatusSection,
  shutdownSection,
  statusSection,
  type TelemetrySection,
  telemetrySection,
} from './sections/service.ts';
import { type StoresSection, storesSection } from './sections/stores.ts';
import { type WorkerSection, workerSection } from './sections/worker.ts';

/** The configuration of the service, with the defaults of all keys. */
export interface ServiceConfig {
  readonly worker: WorkerSection;
  readonly database: DatabaseSection;
  readonly limits: LimitsSection;
  readonly transfers: TransfersSection;
  readonly artifacts: ArtifactsSection;
  readonly caches: CachesSection;
  readonly retention: RetentionSection;
  readonly stores: StoresSection;
  readonly pods: PodsSection;
  readonly images: ImagesSection;
  readonly reaper: ReaperSection;
  readonly registrar: RegistrarSection;
  readonly status: StatusSection;
  readonly metrics: MetricsSection;
  readonly telemetry: TelemetrySection;
  readonly logging: LoggingSection;
  readonly shutdown: ShutdownSection;
}

const sections: Shape<ServiceConfig> = {
  worker: workerSection,
  database: databaseSection,
  limits: limitsSection,
  transfers: transfersSection,
  artifacts: artifactsSection,
  caches: cachesSection,
  retention: retentionSection,
  stores: storesSection,
  pods: podsSection,
  images: imagesSection,
  reaper: reaperSection,
  registrar: registrarSection,
  status: statusSection,
  metrics: metricsSection,
  telemetry: telemetrySection,
  logging: loggingSection,
  shutdown: shutdownSection,
};

/**
 * The schema of the configuration. It accepts what one source may hold, so no key is required here:
 * `loadConfig` checks that after the sources are merged.
 */
export const configSchema: z.ZodType<ServiceConfig> = z.strictObject(sections);
