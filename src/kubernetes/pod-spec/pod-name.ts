import { createHash } from 'node:crypto';

import type { ContainerMetadata } from '../../runtime/container.ts';

const longestName = 63;
const longestPart = 20;
const suffixLength = 8;

/**
 * Returns the name of a container's pod. The name is readable where the metadata allows, unique by
 * the handle, a DNS label, and always the same for the same arguments.
 *
 * - a check: `chk-STEP-SUFFIX`;
 * - a get or put without a job: `rt-STEP-TYPE-SUFFIX`;
 * - a step of a job: `PIPELINE-JOB-bBUILD-TYPE-SUFFIX`;
 * - anything else: the handle.
 */
export function podName(handle: string, metadata: ContainerMetadata = {}): string {
  const type = clean(metadata.type ?? 'task', 12) || 'task';
  const suffix = suffixOf(handle);
  const readable =
    type === 'check'
      ? checkName(metadata, suffix)
      : (jobName(metadata, type, suffix) ?? resourceName(metadata, type, suffix));
  return readable ?? handleName(handle);
}

/**
 * Whether `podName` returns this name for the handle and some metadata. Only its pod can then have
 * this name.
 */
export function isGeneratedName(name: string, handle: string): boolean {
  return name === handleName(handle) || name.endsWith(`-${suffixOf(handle)}`);
}

/**
 * Converts to lower case and replaces separators by dashes. Keeps only `[a-z0-9-]`, without a dash
 * at either end or two in a row.
 */
export function clean(text: string, longest: number): string {
  return text
    .toLowerCase()
    .replace(/[_.\s/]/g, '-')
    .replace(/[^a-z0-9-]/g, '')
    .replace(/-{2,}/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, longest)
    .replace(/-$/, '');
}

function checkName({ stepName }: ContainerMetadata, suffix: string): string | undefined {
  const step = clean(stepName ?? '', longestName - `chk--${suffix}`.length);
  return step === '' ? undefined : `chk-${step}-${suffix}`;
}

function resourceName(
  { stepName, pipelineName, jobName: job }: ContainerMetadata,
  type: string,
  suffix: string,
): string | undefined {
  if (pipelineName && job) return undefined;
  if (type !== 'get' && type !== 'put') return undefined;
  const step = clean(stepName ?? '', longestName - `rt--${type}-${suffix}`.length);
  return step === '' ? undefined : `rt-${step}-${type}-${suffix}`;
}

function jobName(metadata: ContainerMetadata, type: string, suffix: string): string | undefined {
  const build = clean(metadata.buildName ?? '', 16);
  const end = `${build === '' ? '' : `b${build}-`}${type}-${suffix}`;
  const available = Math.min(longestPart, Math.floor((longestName - end.length - 2) / 2));
  const pipeline = clean(metadata.pipelineName ?? '', available);
  const job = clean(metadata.jobName ?? '', available);
  if (pipeline === '' || job === '') return undefined;
  const name = `${pipeline}-${job}-${end}`;
  return startsWithLetterOrDigit(name) ? name : undefined;
}

/**
 * Returns the first characters of a handle of hex digits and dashes. Other handles may share a
 * beginning, so they get the first characters of their hash.
 */
function suffixOf(handle: string): string {
  const plain = handle.replaceAll('-', '');
  return /^[0-9a-f]{8,}$/.test(plain) ? plain.slice(0, suffixLength) : hashOf(handle);
}

function handleName(handle: string): string {
  const isName = handle.length <= longestName && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(handle);
  return isName ? handle : `${clean(handle, longestName - 2 - suffixLength) || 'kw'}-${hashOf(handle)}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, suffixLength);
}

function startsWithLetterOrDigit(name: string): boolean {
  return /^[a-z0-9]/.test(name);
}
