import type { Mutant } from '../../scripts/mutant.ts';
import { mutants as agentClient } from './host/agent-client.ts';
import { mutants as archiveRows } from './host/archive-rows.ts';
import { mutants as archiveTransfers } from './host/archive-transfers.ts';
import { mutants as archivesLife } from './host/archives-life.ts';
import { mutants as caches } from './host/caches.ts';
import { mutants as checks } from './host/checks.ts';
import { mutants as cliStreams } from './host/cli-streams.ts';
import { mutants as controllers } from './host/controllers.ts';
import { mutants as embedded } from './host/embedded.ts';
import { mutants as encodings } from './host/encodings.ts';
import { mutants as errors } from './host/errors.ts';
import { mutants as events } from './host/events.ts';
import { mutants as exec } from './host/exec.ts';
import { mutants as hazards } from './host/hazards.ts';
import { mutants as hermetic } from './host/hermetic.ts';
import { mutants as image } from './host/image.ts';
import { mutants as images } from './host/images.ts';
import { mutants as internal } from './host/internal.ts';
import { mutants as kubernetes } from './host/kubernetes.ts';
import { mutants as placement } from './host/placement.ts';
import { mutants as pods } from './host/pods.ts';
import { mutants as repository } from './host/repository.ts';
import { mutants as retention } from './host/retention.ts';
import { mutants as retry } from './host/retry.ts';
import { mutants as s3 } from './host/s3.ts';
import { mutants as serviceConfig } from './host/service-config.ts';
import { mutants as serviceServe } from './host/service-serve.ts';
import { mutants as status } from './host/status.ts';
import { mutants as storesPvc } from './host/stores-pvc.ts';
import { mutants as telemetry } from './host/telemetry.ts';
import { mutants as worker } from './host/worker.ts';
import { mutants as workerStates } from './host/worker-states.ts';

/** Changes of the library's sources that a test has to notice, by the folder of the source. */
export const mutants: readonly Mutant[] = [
  ...agentClient,
  ...archiveRows,
  ...archiveTransfers,
  ...archivesLife,
  ...caches,
  ...checks,
  ...cliStreams,
  ...controllers,
  ...embedded,
  ...encodings,
  ...errors,
  ...events,
  ...exec,
  ...hazards,
  ...hermetic,
  ...image,
  ...images,
  ...internal,
  ...kubernetes,
  ...placement,
  ...pods,
  ...repository,
  ...retention,
  ...retry,
  ...s3,
  ...serviceConfig,
  ...status,
  ...serviceServe,
  ...storesPvc,
  ...telemetry,
  ...worker,
  ...workerStates,
];
