/**
 * A right that the library needs in its namespace, in the words of RBAC.
 *
 * @public
 */
export interface RequiredPermission {
  readonly apiGroup: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** What for, for people. */
  readonly purpose: string;
}

/** What a worker needs in its namespace, and nothing more: `docs/rbac.md` and the chart have the same. */
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
      'everything that happens in a pod goes over an exec; over WebSocket some servers check get, newer ones create as well',
  },
  { apiGroup: '', resource: 'pods/log', verbs: ['get'], purpose: 'logs of sidecars, where the host wants them' },
  { apiGroup: '', resource: 'configmaps', verbs: ['create', 'get'], purpose: 'the agent is mounted from a config map' },
];

/** Cluster-wide, and not necessary: without it the worker must be told the nodes' architecture, or takes amd64. */
export const optionalClusterPermissions: readonly RequiredPermission[] = [
  { apiGroup: '', resource: 'nodes', verbs: ['list'], purpose: "finds the nodes' architecture" },
];
