import type { CheckResult, Probe, ServiceHealth } from '../../serve/service-state.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf, flag } from '../query.ts';

const probes: readonly (readonly [path: string, probe: Probe])[] = [
  ['/healthz', 'livez'],
  ['/livez', 'livez'],
  ['/readyz', 'readyz'],
  ['/startupz', 'startupz'],
];

/** The probes. They read the last results of the checks, and run none. */
export function probeRoutes(health: Pick<ServiceHealth, 'probe'>): readonly Route[] {
  return probes.map(([path, probe]) => ({
    path,
    access: 'open',
    handler: (request) => answer(probe, health.probe(probe), request),
  }));
}

function answer(
  probe: Probe,
  { ok, checks }: ReturnType<ServiceHealth['probe']>,
  { query, prefersJson }: StatusRequest,
): Reply {
  const { verbose } = fieldsOf(query, ['verbose']);
  const status = ok ? 200 : 503;
  if (prefersJson) return json({ ok, checks: checks.map(checkView) }, status);
  // As the API server does: a failure is always listed.
  const isListed = flag('verbose', verbose) || !ok;
  const end = ok ? `${probe} check passed` : `${probe} check failed`;
  return { status, content: { text: isListed ? `${[...checks.map(line), end].join('\n')}\n` : 'ok' } };
}

function line({ name, ok, detail }: CheckResult): string {
  return ok ? `[+]${name} ok` : `[-]${name}: ${detail}`;
}

/** A check in JSON. */
export function checkView({ name, ok, detail, ageMs }: CheckResult): object {
  return { name, ok, detail, ageMs: ageMs ?? null };
}
