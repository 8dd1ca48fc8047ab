import {
  hermeticPermissions,
  optionalClusterPermissions,
  permissionsFor,
  preflightPermissions,
  type RequiredPermission,
  tokenReviewPermissions,
} from '../../src/kubernetes/required-permissions.ts';
import { generatedComment } from './generated-comment.ts';

/** A verb of a rule, and the template's condition under which the worker needs it. */
interface Verb {
  readonly verb: string;
  readonly condition: string | undefined;
}

interface Rule {
  readonly apiGroup: string;
  readonly resource: string;
  readonly verbs: readonly Verb[];
}

/** Returns the template with the rules of all roles, from the permissions of the library. */
export function permissionsTemplate(): string {
  return [
    generatedComment('src/kubernetes/required-permissions.ts'),
    define('requiredRules', rulesOf(permissionsFor({}), conditionOf)),
    define('hermeticRules', rulesOf(hermeticPermissions)),
    define('preflightRules', rulesOf(preflightPermissions), [
      '  resourceNames:',
      '    {{- toYaml .names | nindent 4 }}',
    ]),
    define('nodeRules', rulesOf(optionalClusterPermissions)),
    define('tokenReviewRules', rulesOf(tokenReviewPermissions)),
  ].join('\n\n');
}

/** Returns one rule a resource, with the verbs of all its permissions. */
function rulesOf(
  permissions: readonly RequiredPermission[],
  condition: (resource: string, verb: string) => string | undefined = () => undefined,
): readonly Rule[] {
  const rules = new Map<string, Rule>();
  for (const { apiGroup, resource, verbs } of permissions) {
    const key = `${apiGroup}/${resource}`;
    const known = rules.get(key)?.verbs ?? [];
    const added = verbs.map((verb) => ({ verb, condition: condition(resource, verb) }));
    rules.set(key, { apiGroup, resource, verbs: [...known, ...added].sort(byVerb) });
  }
  return [...rules.values()];
}

function byVerb(a: Verb, b: Verb): number {
  return a.verb < b.verb ? -1 : 1;
}

/** Returns when an option of the worker leaves the verb necessary, as the library decides it. */
function conditionOf(resource: string, verb: string): string | undefined {
  const options = [{ agentConfigMap: 'existing' }, { podObservation: 'poll' }] as const;
  const unnecessary = options.filter(
    (option) => !permissionsFor(option).some((rule) => rule.resource === resource && rule.verbs.includes(verb)),
  );
  const conditions = unnecessary.flatMap((option) =>
    Object.entries(option).map(([name, value]) => `ne .${name} "${value}"`),
  );
  return conditions.length > 1 ? `and ${conditions.map((text) => `(${text})`).join(' ')}` : conditions[0];
}

function define(name: string, rules: readonly Rule[], more: readonly string[] = []): string {
  const lines = rules.flatMap((rule) => [...ruleLines(rule), ...more]);
  return [`{{- define "kubernetes-worker.${name}" -}}`, ...lines, '{{- end }}'].join('\n');
}

/** @throws if no verb is always necessary: the rule would have no verbs. */
function ruleLines({ apiGroup, resource, verbs }: Rule): readonly string[] {
  if (verbs.every(({ condition }) => condition !== undefined))
    throw new Error(`every verb of ${resource} depends on an option: the rule needs a condition of its own`);
  return [
    `- apiGroups: [${JSON.stringify(apiGroup)}]`,
    `  resources: [${JSON.stringify(resource)}]`,
    '  verbs:',
    ...verbs.flatMap(({ verb, condition }) =>
      condition === undefined ? [`    - ${verb}`] : [`    {{- if ${condition} }}`, `    - ${verb}`, '    {{- end }}'],
    ),
  ];
}
