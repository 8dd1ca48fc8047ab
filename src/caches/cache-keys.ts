import { cleanPath } from '../kubernetes/pod-spec/pod-mount-path.ts';
import type { CacheKey } from '../repository/cache-repository.ts';
import { checkText } from '../repository/field-checks.ts';
import type { TaskCacheKey, TaskCacheStep } from '../runtime/caches.ts';

/** The maximum length of a resource cache's key, of a job and of a step, in characters. */
const maxCharacters = 1_024;

/** @throws InvalidSpecError - the name of a field begins with the prefix */
export function checkTaskCacheStep(prefix: string, { job, step }: TaskCacheStep): void {
  checkText(`${prefix}job`, job, maxCharacters);
  checkText(`${prefix}step`, step, maxCharacters);
}

/**
 * Returns the key of a task cache. It is the same for all forms of a path.
 *
 * @throws InvalidSpecError
 */
export function taskCacheKey(workerName: string, key: TaskCacheKey): CacheKey {
  checkTaskCacheStep('', key);
  const path = cleanPath('path', key.path, undefined);
  return { workerName, kind: 'task', key: JSON.stringify([key.job, key.step, path]) };
}

/** @throws InvalidSpecError */
export function resourceCacheKey(workerName: string, key: string): CacheKey {
  checkText('key', key, maxCharacters);
  return { workerName, kind: 'resource', key };
}
