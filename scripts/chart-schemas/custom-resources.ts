import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type GoModule, moduleFolder } from './go-module.ts';

const prometheusOperator: GoModule = {
  path: 'github.com/prometheus-operator/prometheus-operator',
  version: 'v0.93.0',
  sum: 'h1:AohlYJT+En8TmNpAcEUJ3GsaJTAqfEBwHmGTVpRm/Io=',
};
const argoRollouts: GoModule = {
  path: 'github.com/argoproj/argo-rollouts',
  version: 'v1.9.1',
  sum: 'h1:+oZciUkeJYVb1vPMOhat4JQlk525j/aT2yizEkVkjLs=',
};

const customResources: readonly (readonly [GoModule, file: string])[] = [
  [prometheusOperator, 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml'],
  [prometheusOperator, 'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml'],
  [argoRollouts, 'manifests/crds/rollout-crd.yaml'],
];

/** Returns the CustomResourceDefinitions of the kinds of others that the chart uses, each as a manifest. */
export function customResourceManifests(): readonly string[] {
  return customResources.map(([module, file]) => readFileSync(join(moduleFolder(module), file), 'utf8'));
}
