/**
 * A permission that the library needs in its namespace, in terms of RBAC.
 *
 * @public
 */
export interface RequiredPermission {
  readonly apiGroup: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** The name of the only object. `undefined`: all objects. */
  readonly name?: string;
  /** The purpose, for readers. */
  readonly purpose: string;
  /** What is missing without it. `undefined`: the worker cannot work without it. */
  readonly without?: string;
}

/**
 * The permissions that a worker needs in its namespace, and no others. `docs/rbac.md` and the chart
 * list the same.
 */
export const requiredPermissions: readonly RequiredPermission[] = [
  {
    apiGroup: '',
    resource: 'pods',
    verbs: ['create', 'delete', 'get', 'list', 'watch'],
    purpose: 'a pod is a container',
  },
  {
    apiGroup: '',
    resource: 'pods/exec',
    verbs: ['create', 'get'],
    purpose:
      'every operation in a pod uses an exec; for WebSocket some servers check get, newer ones check create as well',
  },
  {
    apiGroup: '',
    resource: 'pods/log',
    verbs: ['get'],
    purpose: 'logs of sidecars, if the host requests them',
    without: 'logs of sidecars are missing',
  },
  { apiGroup: '', resource: 'configmaps', verbs: ['get'], purpose: 'the agent is mounted from a config map' },
  {
    apiGroup: '',
    resource: 'configmaps',
    verbs: ['create'],
    purpose: "creates the agent's config map",
    without: "an operator has to create the agent's config map",
  },
  {
    apiGroup: '',
    resource: 'configmaps',
    verbs: ['delete', 'list'],
    purpose: 'deletes the config maps of agents of other versions when no pod uses them',
    without: 'config maps of agents of other versions stay until an operator deletes them',
  },
  {
    apiGroup: '',
    resource: 'events',
    verbs: ['list'],
    purpose: "events of a pod in a container's description",
    without: 'descriptions of containers have no events',
  },
  {
    apiGroup: '',
    resource: 'resourcequotas',
    verbs: ['list'],
    purpose: "the namespace's quotas in the facts of the worker",
    without: 'the facts of the worker have no quotas',
  },
];

/** The options of a worker that make a permission unnecessary. */
export interface PermissionOptions {
  readonly agentConfigMap?: 'create' | 'existing' | undefined;
  readonly podObservation?: 'watch' | 'poll' | undefined;
}

/** Returns the permissions that a worker with these options needs in its namespace. */
export function permissionsFor({ agentConfigMap, podObservation }: PermissionOptions): readonly RequiredPermission[] {
  const isUnused = (resource: string, verb: string): boolean =>
    (agentConfigMap === 'existing' && resource === 'configmaps' && verb !== 'get') ||
    (podObservation === 'poll' && resource === 'pods' && verb === 'watch');
  return requiredPermissions
    .map((permission) => ({
      ...permission,
      verbs: permission.verbs.filter((verb) => !isUnused(permission.resource, verb)),
    }))
    .filter(({ verbs }) => verbs.length > 0);
}

/** Needed in the namespace only if images are checked in their registries with pull secrets. */
export const preflightPermissions: readonly RequiredPermission[] = [
  { apiGroup: '', resource: 'secrets', verbs: ['get'], purpose: 'pull secrets for the check of images' },
];

/** Optional, for what a container uses in its description. Only a cluster with a metrics API has it. */
export const usagePermissions: readonly RequiredPermission[] = [
  {
    apiGroup: 'metrics.k8s.io',
    resource: 'pods',
    verbs: ['get'],
    purpose: 'what a container uses, in its description',
    without: 'descriptions of containers state nothing about what they use',
  },
];

/** Needed in the namespace only for hermetic containers. */
export const hermeticPermissions: readonly RequiredPermission[] = [
  {
    apiGroup: 'networking.k8s.io',
    resource: 'networkpolicies',
    verbs: ['list'],
    purpose: 'verifies that nothing permits a hermetic pod to send',
    without: 'hermetic containers are refused',
  },
  {
    apiGroup: 'networking.k8s.io',
    resource: 'networkpolicies',
    verbs: ['create'],
    purpose: 'creates the network policy of hermetic pods',
    without: 'an operator has to create the network policy of hermetic pods',
  },
];

/** Returns `preflightPermissions` for these secrets, because a role may name them. */
export function secretPermissions(names: readonly string[]): readonly RequiredPermission[] {
  return [...new Set(names)].flatMap((name) => preflightPermissions.map((permission) => ({ ...permission, name })));
}

/** Cluster-wide, and needed only by a host that reviews tokens (`Worker.reviewToken`). */
export const tokenReviewPermissions: readonly RequiredPermission[] = [
  {
    apiGroup: 'authentication.k8s.io',
    resource: 'tokenreviews',
    verbs: ['create'],
    purpose: 'finds the user of a token',
  },
  {
    apiGroup: 'authorization.k8s.io',
    resource: 'subjectaccessreviews',
    verbs: ['create'],
    purpose: 'examines a permission of the user of a token',
  },
];

/** Optional and cluster-wide. */
export const optionalClusterPermissions: readonly RequiredPermission[] = [
  {
    apiGroup: '',
    resource: 'nodes',
    verbs: ['list'],
    purpose: "finds the nodes' architecture, and the nodes in the facts of the worker",
    without:
      'the architecture has to be configured, or is amd64, and the facts of the worker have neither nodes nor zones',
  },
  {
    apiGroup: '',
    resource: 'nodes',
    verbs: ['get'],
    purpose: "the state of a failed pod's node in its diagnostics",
    without: 'the diagnostics of failed pods have nothing about their nodes',
  },
];
