import { InvalidSpecError } from '../../errors/caller.ts';
import type { SidecarPort, SidecarProbe, SidecarSpec } from '../../runtime/sidecar.ts';

/**
 * Checks ports and probes. All Kubernetes containers of a pod share one network, so a port or the
 * name of a port belongs to one sidecar.
 *
 * @throws InvalidSpecError - names the field
 */
export function checkSidecarNetwork(sidecars: readonly SidecarSpec[]): void {
  const taken = new Map<string, string>();
  const claim = (what: string, field: string): void => {
    const other = taken.get(what);
    if (other !== undefined) throw new InvalidSpecError(field, `${what} is already used by ${other}`);
    taken.set(what, field);
  };
  for (const [index, { ports = [], readinessProbe }] of sidecars.entries()) {
    const sidecar = `sidecars[${index}]`;
    for (const [portIndex, port] of ports.entries()) {
      const field = `${sidecar}.ports[${portIndex}]`;
      checkPort(field, port);
      claim(`${port.containerPort}/${port.protocol ?? 'TCP'}`, `${field}.containerPort`);
      if (port.name !== undefined) claim(`the name ${port.name}`, `${field}.name`);
    }
    if (readinessProbe !== undefined) checkProbe(`${sidecar}.readinessProbe`, readinessProbe, ports);
  }
}

function checkPort(field: string, { name, containerPort }: SidecarPort): void {
  if (!isPortNumber(containerPort)) throw new InvalidSpecError(`${field}.containerPort`, 'is not from 1 to 65535');
  if (name === undefined) return;
  const isName = /^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/.test(name) && /[a-z]/.test(name) && !name.includes('--');
  if (!isName)
    throw new InvalidSpecError(`${field}.name`, `${JSON.stringify(name)} is not the name of a port, such as http`);
}

const actions = ['exec', 'httpGet', 'tcpSocket'] as const;

/** The numbers of a probe, and the least that Kubernetes accepts. */
const leastNumbers = {
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  failureThreshold: 1,
  successThreshold: 1,
} as const;

function checkProbe(field: string, probe: SidecarProbe, ports: readonly SidecarPort[]): void {
  const given = actions.filter((action) => probe[action] !== undefined);
  if (given.length !== 1)
    throw new InvalidSpecError(field, `has ${given.length} actions: set exactly one of ${actions.join(', ')}`);
  if (probe.exec?.command.length === 0) throw new InvalidSpecError(`${field}.exec.command`, 'is empty');
  for (const action of ['httpGet', 'tcpSocket'] as const) {
    const port = probe[action]?.port;
    if (port !== undefined && !isPortNumber(port) && !ports.some(({ name }) => name === port))
      throw new InvalidSpecError(`${field}.${action}.port`, 'is neither from 1 to 65535 nor a port of this sidecar');
  }
  for (const name of Object.keys(leastNumbers) as (keyof typeof leastNumbers)[]) {
    const value = probe[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= leastNumbers[name]))
      throw new InvalidSpecError(`${field}.${name}`, `is not an integer of at least ${leastNumbers[name]}`);
  }
}

function isPortNumber(port: number | string): boolean {
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
}
