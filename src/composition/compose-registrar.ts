import { HeartbeatLoop, heartbeatExpiryMs } from '../controllers/heartbeat-loop.ts';
import type { PassRecord } from '../controllers/pass-record.ts';
import { Registrar, type RegistrarComponents } from '../controllers/registrar.ts';
import type { Clock } from '../runtime/options.ts';

interface WorkerRegistrarComponents extends Omit<RegistrarComponents, 'expiresInMs'> {
  /** The option `heartbeatEveryMs`. */
  readonly everyMs: number | undefined;
  readonly clock: Clock;
}

/** The assumed time between the heartbeats of a host that sends them itself. */
const usualPeriodMs = 30_000;

/** Composes the registrar of a worker, and its sender of heartbeats if the host enables them. */
export function composeRegistrar({ everyMs, clock, ...components }: WorkerRegistrarComponents): {
  readonly registrar: Registrar;
  readonly heartbeats: (record: PassRecord | undefined) => HeartbeatLoop | undefined;
} {
  const { workerName, logger } = components;
  const registrar = new Registrar({ ...components, expiresInMs: heartbeatExpiryMs(everyMs ?? usualPeriodMs) });
  const heartbeats = (record: PassRecord | undefined): HeartbeatLoop | undefined =>
    everyMs === undefined ? undefined : new HeartbeatLoop({ workerName, registrar, everyMs, clock, logger, record });
  return { registrar, heartbeats };
}
