import { cutBytes } from '../../internal/cut-bytes.ts';
import { quote } from '../../internal/quote.ts';
import type { KubernetesContainerInfo, TerminationInfo } from '../../runtime/container-description.ts';
import type { KubernetesNode, Pod } from '../cluster.ts';
import { describePod } from './pod-description.ts';

/** What is known about a pod with a problem. */
export interface PodFindings {
  readonly namespace: string;
  readonly podName: string;
  /** The pod's state, or, with `absence`, the last state that was seen. */
  readonly pod: Pod | undefined;
  /** Why `pod` is not the current state, like `no longer exists`. */
  readonly absence?: string | undefined;
  /** The pod's node, if it has one. */
  readonly node?: NodeFindings | undefined;
}

/** A node, or why its state is missing, like `no longer exists`. */
export interface NodeFindings {
  readonly name: string;
  readonly state: KubernetesNode | string;
}

/** Returns a text of the cluster as it may be shown. */
export type ShowText = (text: string) => string;

/** Kubernetes limits its own messages to this length; the messages of others have no limit. */
export const maxMessageBytes: number = 4 * 1024;

/**
 * Returns the findings as plain text: a line per fact, with the pod's first and the node's last.
 */
export function formatDiagnostics(findings: PodFindings, show: ShowText): string {
  const { pod, node } = findings;
  const lines = [
    headOf(findings),
    ...(pod === undefined ? [] : podLines(pod, show).map(indented)),
    ...(node === undefined ? [] : nodeLines(node, show)),
  ];
  return lines.join('\n');
}

function headOf({ namespace, podName, pod, absence }: PodFindings): string {
  const subject = `pod ${namespace}/${podName}`;
  if (absence === undefined) return `${subject}:`;
  return pod === undefined ? `${subject} ${absence}` : `${subject} ${absence}; its last known state:`;
}

function podLines(pod: Pod, show: ShowText): string[] {
  const { nodeName, phase, reason, message, deletedAt, conditions, containers } = describePod(pod);
  const shown = conditions.filter((each) => each.status === 'False' || (each.reason ?? '') !== '');
  return [
    `node: ${nodeName ?? 'not assigned'}`,
    `phase: ${phase}`,
    ...(deletedAt === undefined ? [] : [`deletion: requested, to end by ${deletedAt.toISOString()}`]),
    ...lineOf('reason: ', reason, undefined, show),
    ...lineOf('message: ', undefined, message, show),
    ...shown.map((each) => because(`condition ${each.type}: ${each.status}`, each, show)),
    ...containers.flatMap((container) => containerLines(container, show)),
  ];
}

function containerLines({ name, state, restarts, lastTermination }: KubernetesContainerInfo, show: ShowText): string[] {
  const subject = `container ${name}:`;
  const times = `${subject} restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}`;
  return [
    state.kind === 'terminated'
      ? ended(`${subject} ended`, state.termination, show)
      : because(`${subject} ${state.kind}`, state.kind === 'waiting' ? state : {}, show),
    ...(restarts === 0 ? [] : [times]),
    ...(lastTermination === undefined ? [] : [ended(`${subject} its run before ended`, lastTermination, show)]),
  ];
}

function ended(subject: string, termination: TerminationInfo, show: ShowText): string {
  return because(`${subject} with exit code ${termination.exitCode}`, termination, show);
}

const pressures = new Set(['MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable']);

/** The labels of nodes that their provider may take back at any time. */
const spotLabels: Readonly<Record<string, string>> = {
  'cloud.google.com/gke-spot': 'true',
  'cloud.google.com/gke-preemptible': 'true',
  'kubernetes.azure.com/scalesetpriority': 'spot',
  'eks.amazonaws.com/capacityType': 'SPOT',
  'karpenter.sh/capacity-type': 'spot',
};

function nodeLines({ name, state }: NodeFindings, show: ShowText): string[] {
  if (typeof state === 'string') return [`node ${name} ${show(state)}`];
  const facts = nodeFacts(state, show);
  return facts.length === 0 ? [`node ${name}: ready, without pressure`] : [`node ${name}:`, ...facts.map(indented)];
}

function nodeFacts({ metadata, spec, status }: KubernetesNode, show: ShowText): string[] {
  const conditions = status?.conditions ?? [];
  const pressing = conditions.filter(({ type, status: value }) => pressures.has(type) && value === 'True');
  const ready = conditions.find(({ type }) => type === 'Ready');
  const labels = Object.entries(metadata?.labels ?? {});
  const spot = labels.filter(([label, value]) => spotLabels[label]?.toLowerCase() === value.toLowerCase());
  return [
    ...(ready?.status === 'True' ? [] : [because(`not ready (${ready?.status ?? 'no condition'})`, ready ?? {}, show)]),
    ...pressing.map((condition) => because(condition.type, condition, show)),
    ...(metadata?.deletionTimestamp === undefined ? [] : ['it is being deleted']),
    ...(spec?.unschedulable === true ? ['cordoned: it accepts no new pods, and may be drained'] : []),
    ...spot.map(([label, value]) => `spot or preemptible instance (${label}=${value})`),
  ];
}

interface Because {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/** Returns `subject, reason: message`. */
function because(subject: string, { reason = '', message = '' }: Because, show: ShowText): string {
  const shown = message === '' ? '' : `: ${messageText(message, show)}`;
  return `${subject}${reason === '' ? '' : `, ${reason}`}${shown}`;
}

function lineOf(name: string, reason: string | undefined, message: string | undefined, show: ShowText): string[] {
  const text = reason ?? (message === undefined ? '' : messageText(message, show));
  return text === '' ? [] : [`${name}${text}`];
}

/**
 * Masks before it cuts, because a part of a secret is not recognised. Each line is quoted, because
 * a message may contain control characters.
 */
function messageText(message: string, show: ShowText): string {
  const lines = cutBytes(show(message).trim(), maxMessageBytes).split(/\r?\n/);
  return lines.map((line) => quote(line, maxMessageBytes)).join('\n    ');
}

function indented(line: string): string {
  return `  ${line}`;
}
