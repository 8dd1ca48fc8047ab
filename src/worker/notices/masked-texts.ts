import type { Mask } from '../../internal/host-mask.ts';
import type {
  ContainerDescription,
  KubernetesContainerInfo,
  KubernetesContainerState,
} from '../../runtime/container-description.ts';
import type { StepProgress } from '../../runtime/step-progress.ts';

/** Returns an event whose text has no secrets. A text that could not be masked is empty. */
export function maskedProgress(event: StepProgress, mask: Mask): StepProgress {
  switch (event.kind) {
    case 'waiting-for-quota':
    case 'cache-lost':
      return { ...event, message: mask(event.message) ?? '' };
    case 'unschedulable':
      return { ...event, message: event.message === undefined ? undefined : mask(event.message) };
    default:
      return event;
  }
}

/** Returns a description whose texts have no secrets. A text that could not be masked is left out. */
export function maskedDescription(description: ContainerDescription, mask: Mask): ContainerDescription {
  const { conditions, containers, events } = description;
  return {
    ...masked(description, mask),
    conditions: conditions.map((condition) => masked(condition, mask)),
    containers: containers.map((container) => maskedContainer(container, mask)),
    ...(events && { events: events.map((event) => ({ ...event, message: mask(event.message) ?? '' })) }),
  };
}

function maskedContainer(container: KubernetesContainerInfo, mask: Mask): KubernetesContainerInfo {
  const { state, lastTermination } = container;
  return {
    ...container,
    state: maskedState(state, mask),
    ...(lastTermination && { lastTermination: masked(lastTermination, mask) }),
  };
}

function maskedState(state: KubernetesContainerState, mask: Mask): KubernetesContainerState {
  if (state.kind === 'waiting') return masked(state, mask);
  if (state.kind === 'terminated') return { ...state, termination: masked(state.termination, mask) };
  return state;
}

/** Masks the message, and leaves it out if that fails. */
function masked<T extends { readonly message?: string | undefined }>(object: T, mask: Mask): T {
  const { message, ...rest } = object;
  if (message === undefined) return object;
  const shown = mask(message);
  return (shown === undefined ? rest : { ...rest, message: shown }) as T;
}
