import {
  type ApiObject,
  type ContainerState,
  type ContainerStatus,
  isPod,
  isRecord,
  type Pod,
  textOf,
} from '../objects/api-object.ts';

interface Column {
  readonly name: string;
  readonly priority?: number;
  readonly cell: (object: ApiObject, now: number) => string | number;
}

const nameColumn: Column = { name: 'Name', cell: (object) => object.metadata.name };
const ageColumn: Column = {
  name: 'Age',
  cell: (object, now) => shortDuration(now - Date.parse(object.metadata.creationTimestamp)),
};

const podColumns: readonly Column[] = [
  nameColumn,
  { name: 'Ready', cell: podCell(readyCount) },
  { name: 'Status', cell: podCell(podReason) },
  { name: 'Restarts', cell: podCell(restarts) },
  ageColumn,
  { name: 'IP', priority: 1, cell: podCell((pod) => pod.status.podIP ?? '<none>') },
  { name: 'Node', priority: 1, cell: podCell((pod) => pod.spec.nodeName ?? '<none>') },
  { name: 'Nominated Node', priority: 1, cell: () => '<none>' },
  { name: 'Readiness Gates', priority: 1, cell: () => '<none>' },
];

const columnsByResource: Readonly<Record<string, readonly Column[]>> = {
  pods: podColumns,
  configmaps: [
    nameColumn,
    { name: 'Data', cell: (object) => count(object.data) + count(object.binaryData) },
    ageColumn,
  ],
  secrets: [
    nameColumn,
    { name: 'Type', cell: (object) => textOf(object.type) },
    { name: 'Data', cell: (object) => count(object.data) },
    ageColumn,
  ],
  namespaces: [nameColumn, { name: 'Status', cell: statusField('phase') }, ageColumn],
  persistentvolumeclaims: [
    nameColumn,
    { name: 'Status', cell: statusField('phase') },
    { name: 'Volume', cell: specField('volumeName') },
    ageColumn,
  ],
  nodes: [nameColumn, { name: 'Status', cell: () => 'Ready' }, ageColumn],
  events: [
    { name: 'Last Seen', cell: (object, now) => shortDuration(now - Date.parse(eventText(object, 'lastTimestamp'))) },
    { name: 'Type', cell: (object) => textOf(object.type) },
    { name: 'Reason', cell: (object) => eventText(object, 'reason') },
    { name: 'Object', cell: eventObject },
    { name: 'Message', cell: (object) => eventText(object, 'message') },
  ],
};

interface TableOptions {
  readonly resource: string;
  readonly objects: readonly ApiObject[];
  readonly metadata: object;
  readonly now: number;
  /** Whether to include column definitions; a watch sends them with its first event only. */
  readonly headers: boolean;
}

/** Returns the objects as a `meta.k8s.io/v1 Table`, which `kubectl get` requests. */
export function toTable(options: TableOptions): object {
  const columns = columnsByResource[options.resource] ?? [nameColumn, ageColumn];
  const definitions = columns.map(({ name, priority = 0 }) => ({
    name,
    type: 'string',
    format: name === 'Name' ? 'name' : '',
    description: name,
    priority,
  }));
  const rows = options.objects.map((object) => ({
    cells: columns.map((column) => column.cell(object, options.now)),
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
  }));
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata,
    columnDefinitions: options.headers ? definitions : [],
    rows,
  };
}

/** Formats a duration as kubectl does: `45s`, `5m3s`, `12m`, `3h5m`, `27h`, `3d`. */
export function shortDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '<unknown>';
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}

function podCell(cell: (pod: Pod, now: number) => string): Column['cell'] {
  return (object, now) => (isPod(object) ? cell(object, now) : '');
}

function readyCount(pod: Pod): string {
  const statuses = pod.status.containerStatuses ?? [];
  return `${statuses.filter((status) => status.ready).length}/${pod.spec.containers.length}`;
}

function restarts(pod: Pod, now: number): string {
  const statuses = pod.status.containerStatuses ?? [];
  const total = statuses.reduce((sum, status) => sum + status.restartCount, 0);
  const last = Math.max(0, ...statuses.map((status) => Date.parse(status.lastState.terminated?.finishedAt ?? '') || 0));
  return total === 0 || last === 0 ? String(total) : `${total} (${shortDuration(now - last)} ago)`;
}

/**
 * Returns the text of the STATUS column: the phase, or the most significant state of a container.
 */
function podReason(pod: Pod): string {
  const { status, metadata } = pod;
  const unscheduled = status.conditions?.find(
    (condition) => condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated',
  );
  let reason = status.reason ?? unscheduled?.reason ?? status.phase;
  const initialising = initReason(status.initContainerStatuses ?? [], pod);
  if (initialising !== undefined) reason = initialising;
  else
    for (const container of [...(status.containerStatuses ?? [])].reverse())
      reason = stateReason(container.state) ?? reason;
  return metadata.deletionTimestamp === undefined ? reason : 'Terminating';
}

function initReason(statuses: readonly ContainerStatus[], pod: Pod): string | undefined {
  for (const [index, container] of statuses.entries()) {
    const { terminated, waiting } = container.state;
    if (terminated?.exitCode === 0 || container.started) continue;
    const reason = stateReason(container.state);
    if (terminated !== undefined || (waiting !== undefined && waiting.reason !== 'PodInitializing'))
      return `Init:${reason ?? 'Error'}`;
    return `Init:${index}/${pod.spec.initContainers?.length ?? 0}`;
  }
  return undefined;
}

function stateReason({ waiting, terminated }: ContainerState): string | undefined {
  if (waiting !== undefined) return waiting.reason;
  if (terminated === undefined) return undefined;
  if (terminated.reason !== '') return terminated.reason;
  return terminated.signal === undefined ? `ExitCode:${terminated.exitCode}` : `Signal:${terminated.signal}`;
}

function count(value: unknown): number {
  return isRecord(value) ? Object.keys(value).length : 0;
}

function statusField(field: string): Column['cell'] {
  return (object) => (isRecord(object.status) ? textOf(object.status[field]) : '');
}

function specField(field: string): Column['cell'] {
  return (object) => (isRecord(object.spec) ? textOf(object.spec[field]) : '');
}

function eventText(object: object, field: string): string {
  const value: unknown = Object.entries(object).find(([key]) => key === field)?.[1];
  return typeof value === 'string' ? value : '';
}

function eventObject(object: object): string {
  const involved: unknown = Object.entries(object).find(([key]) => key === 'involvedObject')?.[1];
  return isRecord(involved) ? `${textOf(involved['kind']).toLowerCase()}/${textOf(involved['name'])}` : '';
}
