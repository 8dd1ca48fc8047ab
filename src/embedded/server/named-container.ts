import { isPod, type Pod } from '../objects/api-object.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { badRequest, methodNotAllowed, notFound } from '../objects/status.ts';
import type { ResourceTarget } from './request-info.ts';

/** The pod and the container that a request for a log or an exec names. */
export interface NamedContainer {
  readonly pod: Pod;
  readonly container: string;
}

/**
 * @throws ApiError 404 if the pod does not exist; 400 if it has no such container, or if the
 * request names none of several containers
 */
export function findNamedContainer(store: ObjectStore, target: ResourceTarget, query: URLSearchParams): NamedContainer {
  if (target.name === undefined) throw methodNotAllowed();
  const pod = store.get('pods', target.namespace, target.name);
  if (!isPod(pod)) throw notFound('pods', target.name);
  const inits = (pod.spec.initContainers ?? []).map(({ name }) => name);
  const mains = pod.spec.containers.map(({ name }) => name);
  const wanted = query.get('container') ?? '';
  const [only = '', ...others] = mains;
  if (wanted === '' && others.length > 0)
    throw badRequest(`a container name must be specified for pod ${target.name}, choose one of: [${mains.join(' ')}]`);
  const container = wanted === '' ? only : wanted;
  if (![...inits, ...mains].includes(container))
    throw badRequest(`container ${container} is not valid for pod ${target.name}`);
  return { pod, container };
}
