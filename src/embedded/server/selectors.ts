import { badRequest } from '../objects/status.ts';

/** Returns whether an object's labels (or selectable fields) match a selector. */
export type Matcher = (values: Readonly<Record<string, string>>) => boolean;

type Requirement = Matcher;

/** Splits at commas outside the brackets of a set. */
function splitRequirements(selector: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < selector.length; at += 1) {
    const character = selector[at];
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character !== ',' || depth !== 0) continue;
    parts.push(selector.slice(start, at));
    start = at + 1;
  }
  parts.push(selector.slice(start));
  return parts.map((part) => part.trim());
}

const keyPattern = '(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?';
const valuePattern = '(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?';
const existsPattern = new RegExp(`^(!?)\\s*(${keyPattern})$`);
const equalsPattern = new RegExp(`^(${keyPattern})\\s*(==|=|!=)\\s*(${valuePattern})$`);
const orderPattern = new RegExp(`^(${keyPattern})\\s*([<>])\\s*(-?[0-9]+)$`);
const setPattern = new RegExp(`^(${keyPattern})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

function parseRequirement(text: string): Requirement {
  const exists = existsPattern.exec(text);
  if (exists) {
    const [, negation, key = ''] = exists;
    return (labels) => Object.hasOwn(labels, key) === (negation === '');
  }
  const equals = equalsPattern.exec(text);
  if (equals) {
    const [, key = '', operator, value = ''] = equals;
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const order = orderPattern.exec(text);
  if (order) {
    const [, key = '', operator, bound = ''] = order;
    return (labels) => compareInteger(labels[key], operator === '<' ? -1 : 1, Number(bound));
  }
  const set = setPattern.exec(text);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return operator === 'in'
      ? (labels) => values.has(labels[key] ?? '') && Object.hasOwn(labels, key)
      : (labels) => !values.has(labels[key] ?? '') || !Object.hasOwn(labels, key);
  }
  throw badRequest(`unable to parse requirement: found '${text}', expected: identifier`);
}

function compareInteger(value: string | undefined, sign: -1 | 1, bound: number): boolean {
  if (value === undefined || !/^-?[0-9]+$/.test(value)) return false;
  return Math.sign(Number(value) - bound) === sign;
}

/**
 * Parses a label selector: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b)`, `a>1`,
 * `a<1`, joined by commas. An empty or absent selector selects everything. Throws the 400 of the
 * real server for any other text.
 */
export function parseLabelSelector(selector: string | null): Matcher {
  if (selector === null || selector.trim() === '') return () => true;
  const requirements = splitRequirements(selector).map(parseRequirement);
  return (labels) => requirements.every((requirement) => requirement(labels));
}

/**
 * Parses a field selector (`=`, `==`, `!=`). Throws the 400 of the real server for a field that the
 * kind does not support.
 */
export function parseFieldSelector(selector: string | null, supported: readonly string[]): Matcher {
  if (selector === null || selector.trim() === '') return () => true;
  const requirements = selector.split(',').map((text) => parseFieldRequirement(text.trim(), supported));
  return (fields) => requirements.every((requirement) => requirement(fields));
}

function parseFieldRequirement(text: string, supported: readonly string[]): Requirement {
  const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(text);
  if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${text}'`);
  const [, field = '', operator, value = ''] = match;
  if (!supported.includes(field)) throw badRequest(`field label not supported: ${field}`);
  const wanted = operator !== '!=';
  return (fields) => ((fields[field] ?? '') === value) === wanted;
}
