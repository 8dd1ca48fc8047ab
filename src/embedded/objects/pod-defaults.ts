import { type ApiObject, isRecord } from './api-object.ts';

/**
 * Adds the defaults of the real server to a new pod and sets its first status. Ignores the status
 * in the request.
 */
export function defaultPod(object: ApiObject): ApiObject {
  const spec = isRecord(object.spec) ? object.spec : {};
  const defaulted: Record<string, unknown> = {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: 'default',
    serviceAccount: 'default',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    priority: 0,
    preemptionPolicy: 'PreemptLowerPriority',
    ...withoutNulls(spec),
  };
  for (const list of ['initContainers', 'containers']) {
    const containers = defaulted[list];
    if (Array.isArray(containers)) defaulted[list] = containers.map(defaultContainer);
  }
  const volumes = defaulted['volumes'];
  if (Array.isArray(volumes)) defaulted['volumes'] = volumes.map(defaultVolume);
  return { ...object, spec: defaulted, status: { phase: 'Pending', qosClass: qualityOfService(defaulted) } };
}

function defaultContainer(container: unknown): unknown {
  if (!isRecord(container)) return container;
  const image = typeof container['image'] === 'string' ? container['image'] : '';
  const floating = image.endsWith(':latest') || !/[:@][^/]*$/.test(image);
  return {
    ...withoutNulls(container),
    resources: container['resources'] ?? {},
    terminationMessagePath: container['terminationMessagePath'] ?? '/dev/termination-log',
    terminationMessagePolicy: container['terminationMessagePolicy'] ?? 'File',
    imagePullPolicy: container['imagePullPolicy'] ?? (floating ? 'Always' : 'IfNotPresent'),
  };
}

function defaultVolume(volume: unknown): unknown {
  if (!isRecord(volume)) return volume;
  const defined = withoutNulls(volume);
  if (Object.keys(defined).length <= 1) return { ...defined, emptyDir: {} };
  for (const source of ['configMap', 'secret', 'downwardAPI']) {
    const value = defined[source];
    if (isRecord(value)) defined[source] = { ...value, defaultMode: value['defaultMode'] ?? 0o644 };
  }
  return defined;
}

function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null && field !== undefined));
}

function qualityOfService(spec: Record<string, unknown>): string {
  const containers = Array.isArray(spec['containers']) ? spec['containers'].filter(isRecord) : [];
  const resources = containers.map((container) => (isRecord(container['resources']) ? container['resources'] : {}));
  const limits = resources.map((each) => (isRecord(each['limits']) ? each['limits'] : {}));
  if (resources.every((each) => each['limits'] === undefined && each['requests'] === undefined)) return 'BestEffort';
  const full = limits.every((limit) => limit['cpu'] !== undefined && limit['memory'] !== undefined);
  const requestsEqual = resources.every(
    (each, index) =>
      each['requests'] === undefined || JSON.stringify(each['requests']) === JSON.stringify(limits[index]),
  );
  return full && requestsEqual ? 'Guaranteed' : 'Burstable';
}
