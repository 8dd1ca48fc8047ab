import type { RootStep } from './root-plan.ts';

/** Mount options that a user namespace may not clear. */
const lockedOptions = ['nosuid', 'nodev', 'noexec'];

interface MountPoint {
  readonly path: string;
  readonly options: readonly string[];
}

/** Parses the text of `/proc/self/mountinfo`. */
export function parseMountInfo(text: string): MountPoint[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      return { path: unescapeOctal(fields[4] ?? '/'), options: (fields[5] ?? '').split(',') };
    });
}

/** Returns the options that a read-only bind of `path` must repeat. */
export function inheritedOptions(path: string, mounts: readonly MountPoint[]): string[] {
  const covering = mounts.filter(
    (mount) => mount.path === '/' || path === mount.path || path.startsWith(`${mount.path}/`),
  );
  const deepest = covering.reduce<MountPoint | undefined>(
    (best, mount) => (best === undefined || mount.path.length >= best.path.length ? mount : best),
    undefined,
  );
  return lockedOptions.filter((option) => deepest?.options.includes(option));
}

/** Returns the binds of a plan as a table for `mount -a -T`: one line for each bind, in order. */
export function mountTable(root: string, steps: readonly RootStep[], mounts: readonly MountPoint[]): string {
  const lines = steps.flatMap((step) => {
    if (step.step !== 'bind') return [];
    const options = [
      step.recursive ? 'rbind' : 'bind',
      ...(step.readOnly ? ['ro', ...inheritedOptions(step.source, mounts)] : []),
    ];
    return [`${escapeOctal(step.source)} ${escapeOctal(`${root}${step.path}`)} none ${options.join(',')} 0 0\n`];
  });
  return lines.join('');
}

function escapeOctal(text: string): string {
  return text.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
