import { type ResourceDefinition, resourceDefinitions } from '../objects/resources.ts';

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const accessReviewResource = {
  name: 'selfsubjectaccessreviews',
  singularName: 'selfsubjectaccessreview',
  namespaced: false,
  kind: 'SelfSubjectAccessReview',
  verbs: ['create'],
};
const authorizationGroup = groupOf('authorization.k8s.io');
const networkingGroup = groupOf('networking.k8s.io');

function groupOf(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
}

function resourceList(groupVersion: string): object {
  const resources = resourceDefinitions.filter(({ apiVersion }) => apiVersion === groupVersion);
  return { groupVersion, resources: resources.flatMap(resourceEntries) };
}

/** Returns the response to `GET /version`: the version that the server imitates. */
export function versionInfo(arch: string): object {
  return {
    major: '1',
    minor: '34',
    gitVersion: 'v1.34.0+embedded',
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'none',
    platform: `linux/${arch}`,
  };
}

function resourceEntries(resource: ResourceDefinition): object[] {
  const { plural, singular, kind, namespaced, shortNames } = resource;
  const base = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: allVerbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(plural === 'pods' ? { categories: ['all'] } : {}),
  };
  const status = resource.hasStatus
    ? [{ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: ['get', 'patch', 'update'] }]
    : [];
  const exec = {
    name: `${plural}/exec`,
    singularName: '',
    namespaced,
    kind: 'PodExecOptions',
    verbs: ['create', 'get'],
  };
  const log = { name: `${plural}/log`, singularName: '', namespaced, kind, verbs: ['get'] };
  return [
    base,
    ...status,
    ...(resource.subresources.includes('exec') ? [exec] : []),
    ...(resource.subresources.includes('log') ? [log] : []),
  ];
}

/** Returns the discovery document at a path, or `undefined` if there is none. */
export function discoveryDocument(path: string, serverAddress: string): object | undefined {
  switch (path) {
    case '/api':
      return {
        kind: 'APIVersions',
        versions: ['v1'],
        serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
      };
    case '/api/v1':
      return { kind: 'APIResourceList', ...resourceList('v1') };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: [authorizationGroup, networkingGroup] };
    case '/apis/networking.k8s.io':
      return { kind: 'APIGroup', apiVersion: 'v1', ...networkingGroup };
    case '/apis/networking.k8s.io/v1':
      return { kind: 'APIResourceList', apiVersion: 'v1', ...resourceList('networking.k8s.io/v1') };
    case '/apis/authorization.k8s.io':
      return { kind: 'APIGroup', apiVersion: 'v1', ...authorizationGroup };
    case '/apis/authorization.k8s.io/v1':
      return {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion: 'authorization.k8s.io/v1',
        resources: [accessReviewResource],
      };
    default:
      return undefined;
  }
}
