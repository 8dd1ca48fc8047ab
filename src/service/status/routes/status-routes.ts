import type { ControllerState, Leadership, PlacesInUse, WorkerInfo, WorkerLoad } from '../../../index.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf } from '../query.ts';
import type { StatusContext } from './context.ts';
import { checkView } from './probe-routes.ts';
import { RecentInfo } from './recent-info.ts';

export function statusRoutes(context: StatusContext): readonly Route[] {
  const recent = new RecentInfo(() => context.uptimeMs());
  const handler = async (request: StatusRequest): Promise<Reply> => await show(context, recent, request);
  return ['/api/v1/status', '/status'].map((path) => ({ path, access: 'guarded', handler }));
}

/** Answers also before the worker is open, and while the database does not answer. */
async function show(
  { health, version, uptimeMs }: StatusContext,
  recent: RecentInfo,
  { query }: StatusRequest,
): Promise<Reply> {
  fieldsOf(query, []);
  const { phase, startedAt, worker } = health;
  const { checks } = health.probe('readyz');
  const { info, error } = await recent.of(worker);
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  const reasons = error === null ? failed : [...new Set([...failed, 'worker'])];
  return json({
    status: phase === 'running' ? (reasons.length === 0 ? 'ok' : 'degraded') : phase,
    reasons,
    version,
    startedAt: new Date(startedAt),
    uptimeSeconds: Math.floor(uptimeMs() / 1000),
    checks: checks.map(checkView),
    leadership: worker === undefined ? null : leadershipView(worker.leadership()),
    controllers: worker?.controllers().map(controllerView) ?? [],
    load: worker === undefined ? null : loadView(worker.load()),
    worker: info === undefined ? null : workerView(info),
    workerError: error,
  });
}

function leadershipView({ role, confirmedAt }: Leadership): object {
  return { role, confirmedAt: confirmedAt ?? null };
}

function controllerView({ name, everyMs, beganAt, succeededAt, failedAt, failure }: ControllerState): object {
  return {
    name,
    everyMs,
    beganAt: beganAt ?? null,
    succeededAt: succeededAt ?? null,
    failedAt: failedAt ?? null,
    failure: failure ?? null,
  };
}

function loadView({ uploads, downloads, attachments, controls, quotaQueue: { waiting, limit } }: WorkerLoad): object {
  return {
    uploads: placesView(uploads),
    downloads: placesView(downloads),
    attachments: placesView(attachments),
    controls: placesView(controls),
    quotaQueue: { waiting, limit },
  };
}

function placesView({ used, waiting, limit }: PlacesInUse): object {
  return { used, waiting, limit };
}

function workerView({ name, state, activeContainers, activeVolumes, leader, ...times }: WorkerInfo): object {
  const { heartbeatAt, expiresAt, reaperPassAt, registeredAt } = times;
  return {
    name,
    state,
    activeContainers,
    activeVolumes,
    heartbeatAt: heartbeatAt ?? null,
    expiresAt: expiresAt ?? null,
    leader: leader ?? null,
    reaperPassAt: reaperPassAt ?? null,
    registeredAt,
  };
}
