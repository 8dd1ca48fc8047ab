import {
  anyObject,
  boolean,
  closed,
  integer,
  listOf,
  oneOf,
  port,
  quantity,
  type Schema,
  someText,
  text,
  texts,
} from './json-schema.ts';

const selector: Schema = closed({
  matchLabels: texts,
  matchExpressions: listOf(closed({ key: someText, operator: someText, values: listOf(text) }, 'key', 'operator')),
});

/** A peer of a NetworkPolicy. That it is not empty is checked with a sentence, by templates/_validate.tpl. */
const peer: Schema = closed({
  ipBlock: closed({ cidr: someText, except: listOf(someText) }, 'cidr'),
  namespaceSelector: selector,
  podSelector: selector,
});
export const peers: Schema = listOf(peer);

const policyPorts: Schema = listOf(
  closed({
    port: { anyOf: [port, someText] },
    endPort: port,
    protocol: oneOf('TCP', 'UDP', 'SCTP'),
  }),
);

/** Rules of a NetworkPolicy. That they have peers and ports is checked with a sentence, by templates/_validate.tpl. */
export function policyRules(peersKey: 'from' | 'to'): Schema {
  return listOf(closed({ [peersKey]: peers, ports: policyPorts }));
}

export const tolerations: Schema = listOf(
  closed({
    key: text,
    operator: text,
    value: text,
    effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute', ''),
    tolerationSeconds: { type: 'integer' },
  }),
);

export const topologySpread: Schema = listOf(
  closed(
    {
      maxSkew: integer(1),
      minDomains: integer(1),
      topologyKey: someText,
      whenUnsatisfiable: oneOf('DoNotSchedule', 'ScheduleAnyway'),
      labelSelector: selector,
      matchLabelKeys: listOf(someText),
      nodeAffinityPolicy: oneOf('Honor', 'Ignore'),
      nodeTaintsPolicy: oneOf('Honor', 'Ignore'),
    },
    'maxSkew',
    'topologyKey',
    'whenUnsatisfiable',
  ),
);

export const environment: Schema = listOf(closed({ name: someText, value: text, valueFrom: anyObject }, 'name'));
export const environmentSources: Schema = listOf(
  closed({
    prefix: text,
    configMapRef: closed({ name: someText, optional: boolean }, 'name'),
    secretRef: closed({ name: someText, optional: boolean }, 'name'),
  }),
);

/** A volume has one of many sources, whose fields the API server checks. */
export const volumes: Schema = listOf({ type: 'object', properties: { name: someText }, required: ['name'] });
export const volumeMounts: Schema = listOf(
  closed(
    {
      name: someText,
      mountPath: someText,
      subPath: text,
      subPathExpr: text,
      readOnly: boolean,
      recursiveReadOnly: text,
      mountPropagation: text,
    },
    'name',
    'mountPath',
  ),
);

/** The fields of a probe, without its handler. */
export const probe: Schema = closed({
  initialDelaySeconds: integer(0),
  periodSeconds: integer(1),
  timeoutSeconds: integer(1),
  failureThreshold: integer(1),
  successThreshold: integer(1),
  terminationGracePeriodSeconds: integer(1),
});

const quantities: Schema = { type: 'object', additionalProperties: quantity };
export const resources: Schema = closed({ requests: quantities, limits: quantities });

const seLinux = closed({ level: text, role: text, type: text, user: text });
const profile = closed({ type: oneOf('RuntimeDefault', 'Localhost', 'Unconfined'), localhostProfile: text }, 'type');
const users = {
  runAsNonRoot: boolean,
  runAsUser: integer(0),
  runAsGroup: integer(0),
  seLinuxOptions: seLinux,
  seccompProfile: profile,
  appArmorProfile: profile,
};
export const podSecurity: Schema = closed({
  ...users,
  fsGroup: integer(0),
  fsGroupChangePolicy: oneOf('Always', 'OnRootMismatch'),
  supplementalGroups: listOf(integer(0)),
  supplementalGroupsPolicy: oneOf('Merge', 'Strict'),
  sysctls: listOf(closed({ name: someText, value: text }, 'name', 'value')),
});
export const containerSecurity: Schema = closed({
  ...users,
  allowPrivilegeEscalation: boolean,
  privileged: boolean,
  readOnlyRootFilesystem: boolean,
  procMount: text,
  capabilities: closed({ add: listOf(someText), drop: listOf(someText) }),
});

export const dnsConfig: Schema = closed({
  nameservers: listOf(someText),
  searches: listOf(someText),
  options: listOf(closed({ name: someText, value: text }, 'name')),
});
export const hostAliases: Schema = listOf(closed({ ip: someText, hostnames: listOf(someText) }, 'ip', 'hostnames'));

export const roleRules: Schema = listOf(
  closed(
    {
      apiGroups: listOf(text),
      resources: listOf(someText),
      resourceNames: listOf(someText),
      verbs: listOf(someText),
      nonResourceURLs: listOf(someText),
    },
    'verbs',
  ),
);

export const roleSubjects: Schema = listOf(
  closed(
    { kind: oneOf('ServiceAccount', 'User', 'Group'), name: someText, namespace: someText, apiGroup: text },
    'kind',
    'name',
  ),
);

export const deploymentStrategy: Schema = closed({
  type: oneOf('RollingUpdate', 'Recreate'),
  rollingUpdate: closed({
    maxSurge: { type: ['integer', 'string'] },
    maxUnavailable: { type: ['integer', 'string'] },
  }),
});
