import type { Fields } from './wire/control.ts';

const STATES = ['running', 'ended', 'lost'] as const;

/** The state that an agent reports. */
export interface AgentStatus {
  readonly incarnation: string;
  readonly version: string;
  readonly processes: readonly AgentProcessStatus[];
  /** The ids of the volumes. */
  readonly volumes: readonly string[];
  /** The number of open operations. */
  readonly operations: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** The number of the container's processes that the kernel killed for lack of memory. */
  readonly oomKills: number | undefined;
}

export interface AgentProcessStatus {
  readonly id: string;
  /** `lost`: the container was restarted after the process had been started. */
  readonly state: (typeof STATES)[number];
  readonly exitStatus: number | undefined;
  readonly signal: number | undefined;
  readonly pid: number | undefined;
}

/** @throws ProtocolViolationError */
export function readStatus(fields: Fields): AgentStatus {
  return {
    incarnation: fields.string('incarnation'),
    version: fields.string('version'),
    processes: fields.objects('processes').map(readProcess),
    volumes: fields.strings('volumes'),
    operations: fields.count('operations'),
    freeBytes: fields.count('freeBytes'),
    totalBytes: fields.count('totalBytes'),
    oomKills: fields.knownCount('oomKills'),
  };
}

function readProcess(fields: Fields): AgentProcessStatus {
  const count = (name: string): number | undefined => fields.optional(name, (from) => from.count(name));
  return {
    id: fields.string('id'),
    state: fields.word('state', STATES),
    exitStatus: count('exitStatus'),
    signal: count('signal'),
    pid: count('pid'),
  };
}
