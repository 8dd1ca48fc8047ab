import { InvalidSpecError } from '../errors/caller.ts';
import type { ContainerMetadata } from '../runtime/container.ts';
import type { ImageDecision, ImageExplanation, ImagePolicy, ImageRequest, ImageRule } from '../runtime/image.ts';
import { compileImagePattern, type ImagePattern } from './image-pattern.ts';
import {
  canonicalImage,
  formatImageReference,
  type ImageReference,
  parseImageReference,
  qualifyImage,
} from './image-reference.ts';

/** A validated policy. */
export interface CompiledImagePolicy {
  readonly prefix: string | undefined;
  readonly resourceTypes: ReadonlyMap<string, ImageReference>;
  /** The rules, the most specific one first. */
  readonly rules: readonly CompiledRule[];
  readonly defaultImage: ImageReference | undefined;
}

interface CompiledRule {
  readonly rule: ImageRule;
  readonly image: ImageReference | undefined;
  readonly allow: readonly ImagePattern[] | undefined;
  readonly deny: readonly ImagePattern[];
}

/** An explanation with the reference of its image. */
export interface ResolvedImage extends Omit<ImageExplanation, 'warnings'> {
  readonly reference: ImageReference | undefined;
}

const policyField = 'images.policy';
/** The criteria of a rule, from the most specific one on, and the metadata that each one compares. */
const criteria = [
  ['step', 'stepName'],
  ['pipeline', 'pipelineName'],
  ['team', 'team'],
] as const;

/**
 * Validates a policy.
 *
 * @throws InvalidSpecError - an image or a pattern is invalid, or two rules have the same name or
 * the same criteria
 */
export function compileImagePolicy(
  { resourceTypes = {}, rules = [], defaultImage }: ImagePolicy,
  prefix: string | undefined,
): CompiledImagePolicy {
  const parse = (field: string, text: string): ImageReference =>
    qualifyImage(field, parseImageReference(field, text), prefix);
  const types = Object.entries(resourceTypes);
  checkUnique(rules);
  return {
    prefix,
    resourceTypes: new Map(types.map(([type, image]) => [type, parse(`${policyField}.resourceTypes.${type}`, image)])),
    rules: rules
      .map((rule, index) => compileRule(`${policyField}.rules[${index}]`, rule, parse))
      .toSorted((a, b) => specificity(b.rule) - specificity(a.rule)),
    defaultImage: defaultImage === undefined ? undefined : parse(`${policyField}.defaultImage`, defaultImage),
  };
}

/**
 * Returns the image of a step, and which source and which rules have decided. An image that is
 * missing or refused is a `refusal`, not an error.
 *
 * @throws InvalidSpecError - `image` is not a reference
 */
export function resolveImage(request: ImageRequest, policy: CompiledImagePolicy): ResolvedImage {
  const rules = matching(policy.rules, request.metadata);
  const chain: ImageDecision[] = [];
  const reference = choose(request, policy, rules, chain);
  if (reference === undefined)
    return { reference, image: undefined, rule: undefined, refusal: missing(request), chain };
  const verdict = permission(reference, rules);
  const ruleWith = (effect: ImageDecision['effect']): string | undefined =>
    [...chain, ...verdict].find((decision) => decision.effect === effect)?.rule;
  const denying = ruleWith('denied');
  const image = formatImageReference(reference);
  return {
    reference,
    image,
    rule: denying ?? ruleWith('chosen') ?? ruleWith('allowed'),
    refusal: denying === undefined ? undefined : refusalOf(denying, image),
    chain: [...chain, ...verdict],
  };
}

/**
 * Checks that a step may use an image that the policy has not chosen, such as a sidecar's.
 *
 * @throws InvalidSpecError - names `field` and the rule that refuses the image
 */
export function requirePermission(
  field: string,
  reference: ImageReference,
  metadata: ContainerMetadata,
  policy: CompiledImagePolicy,
): void {
  const last = permission(reference, matching(policy.rules, metadata)).at(-1);
  if (last?.effect === 'denied')
    throw new InvalidSpecError(field, refusalOf(last.rule, formatImageReference(reference)));
}

function matching(rules: readonly CompiledRule[], metadata: ContainerMetadata = {}): readonly CompiledRule[] {
  return rules.filter(({ rule }) =>
    criteria.every(([criterion, fact]) => rule[criterion] === undefined || rule[criterion] === metadata[fact]),
  );
}

/** Returns the image of the first source that has one. Adds each consulted source to the chain. */
function choose(
  { image, resourceType }: ImageRequest,
  { prefix, resourceTypes, defaultImage }: CompiledImagePolicy,
  rules: readonly CompiledRule[],
  chain: ImageDecision[],
): ImageReference | undefined {
  const consult = (
    source: ImageDecision['source'],
    found: ImageReference | undefined,
    rule?: string,
  ): ImageReference | undefined => {
    const effect = found === undefined ? 'passed' : 'chosen';
    chain.push({ source, ...(rule === undefined ? {} : { rule }), effect });
    return found;
  };
  const own = image === undefined ? undefined : qualifyImage('image', parseImageReference('image', image), prefix);
  let found = consult('step', own);
  found ??= consult('resourceType', resourceType === undefined ? undefined : resourceTypes.get(resourceType));
  for (const rule of rules) found ??= consult('rule', rule.image, rule.rule.name);
  return found ?? consult('default', defaultImage);
}

/** Returns the decisions of the matching rules up to the first one that permits or refuses. */
function permission(reference: ImageReference, rules: readonly CompiledRule[]): readonly ImageDecision[] {
  const decisions: ImageDecision[] = [];
  for (const rule of rules) {
    const effect = effectOf(rule, reference);
    decisions.push({ source: 'rule', rule: rule.rule.name, effect });
    if (effect !== 'passed') break;
  }
  return decisions;
}

function effectOf({ allow, deny }: CompiledRule, reference: ImageReference): ImageDecision['effect'] {
  const image = canonicalImage(reference);
  if (deny.some((pattern) => pattern(image))) return 'denied';
  if (allow === undefined) return 'passed';
  return allow.some((pattern) => pattern(image)) ? 'allowed' : 'denied';
}

function refusalOf(rule: string | undefined, image: string): string {
  return `the rule ${JSON.stringify(rule)} of the image policy does not permit ${image}`;
}

function missing({ resourceType }: ImageRequest): string {
  const known = resourceType === undefined ? '' : `resourceTypes has no ${JSON.stringify(resourceType)}, and `;
  return `is missing: ${known}no rule and no default of the option ${policyField} has an image for the step`;
}

function compileRule(
  field: string,
  rule: ImageRule,
  parse: (field: string, text: string) => ImageReference,
): CompiledRule {
  const compile = (name: 'allow' | 'deny'): readonly ImagePattern[] | undefined =>
    rule[name]?.map((pattern, index) => compileImagePattern(`${field}.${name}[${index}]`, pattern));
  return {
    rule,
    image: rule.image === undefined ? undefined : parse(`${field}.image`, rule.image),
    allow: compile('allow'),
    deny: compile('deny') ?? [],
  };
}

function checkUnique(rules: readonly ImageRule[]): void {
  const [names, byCriteria] = [new Set<string>(), new Map<string, string>()];
  for (const [index, rule] of rules.entries()) {
    const field = `${policyField}.rules[${index}]`;
    if (rule.name === '') throw new InvalidSpecError(`${field}.name`, 'is empty');
    if (names.has(rule.name))
      throw new InvalidSpecError(`${field}.name`, `${JSON.stringify(rule.name)} is already in use`);
    names.add(rule.name);
    const key = JSON.stringify(criteria.map(([criterion]) => rule[criterion] ?? null));
    const other = byCriteria.get(key);
    if (other !== undefined)
      throw new InvalidSpecError(field, `has the same criteria as the rule ${JSON.stringify(other)}`);
    byCriteria.set(key, rule.name);
  }
}

/** Orders rules that match the same step: no two of them have the same value. */
function specificity(rule: ImageRule): number {
  const has = criteria.map(([criterion]) => rule[criterion] !== undefined);
  const ranks = has.map((present, index) => (present ? 2 ** (criteria.length - 1 - index) : 0));
  return has.filter(Boolean).length * 2 ** criteria.length + ranks.reduce((sum, rank) => sum + rank, 0);
}
