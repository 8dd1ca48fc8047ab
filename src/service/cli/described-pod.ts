import type { ContainerDescription, KubernetesContainerInfo, TerminationInfo } from '../../index.ts';
import { fieldsOf, tableOf } from './output.ts';

/** Returns the description of a container's pod as text. */
export function describedPod(description: ContainerDescription): string {
  const { podName, podUid, nodeName, phase, reason, message, deletedAt, conditions, containers, events } = description;
  const facts = fieldsOf([
    ['Pod', podName],
    ['UID', podUid],
    ['Node', nodeName ?? 'none yet'],
    ['Phase', phase],
    ['Reason', [reason, message].filter((text) => text !== undefined).join(': ') || undefined],
    ['Deleted at', deletedAt?.toISOString()],
  ]);
  const conditionRows = conditions.map(({ type, status, reason: why = '', message: words = '' }) => [
    type,
    status,
    why,
    words,
  ]);
  const tables = [
    facts,
    tableOf(['CONDITION', 'STATUS', 'REASON', 'MESSAGE'], conditionRows),
    tableOf(['CONTAINER', 'STATE', 'RESTARTS', 'IMAGE', 'LAST END'], containers.map(containerRow)),
    events === undefined
      ? 'No permission to list the events of the pod.\n'
      : tableOf(
          ['LAST SEEN', 'TYPE', 'REASON', 'COUNT', 'MESSAGE'],
          events.map(({ lastAt, type, reason: why, count, message: words }) => [
            lastAt?.toISOString() ?? '',
            type,
            why,
            `${count}`,
            words,
          ]),
        ),
  ];
  return tables.join('\n');
}

function containerRow({ name, state, restarts, image, lastTermination }: KubernetesContainerInfo): readonly string[] {
  const last = lastTermination === undefined ? '' : terminationText(lastTermination);
  return [name, stateText(state), `${restarts}`, image, last];
}

function stateText(state: KubernetesContainerInfo['state']): string {
  if (state.kind === 'running') return 'running';
  if (state.kind === 'terminated') return `terminated: ${terminationText(state.termination)}`;
  return state.reason === undefined ? 'waiting' : `waiting: ${state.reason}`;
}

function terminationText({ exitCode, reason }: TerminationInfo): string {
  return reason === undefined ? `exit code ${exitCode}` : `${reason}, exit code ${exitCode}`;
}
