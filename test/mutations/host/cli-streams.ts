import type { Mutant } from '../../../scripts/mutant.ts';

const packed = { specs: ['test/integration/folders/pack-folder.spec.ts'] };
const unpacked = { specs: ['test/integration/folders/unpack-folder.spec.ts'] };
const targets = { specs: ['test/integration/service/cli/local-target.spec.ts'] };
const attached = { specs: ['test/unit/service/cli/attached/run-attached.spec.ts'] };
const streams = { specs: ['test/integration/service/cli/streams.spec.ts'] };

/** Faults in how folders and the command line move files and streams that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an entry is written through a link of the archive',
    file: 'src/folders/folder-tree.ts',
    find: "        if (!hasCode(error, 'EEXIST')) throw error;\n",
    replace: "        if (hasCode(error, 'EEXIST')) return;\n",
    killedBy: unpacked,
  },
  {
    name: 'an entry may lead out of the folder by ..',
    file: 'src/archives/tar/entry-path.ts',
    find: "  if (parts.includes('..')) return { problem: 'unsafe' };\n",
    replace: '',
    killedBy: unpacked,
  },
  {
    name: 'a hard link may lead through a symbolic link',
    file: 'src/folders/folder-tree.ts',
    find: ' && this.#folders.has(parentOf(to));',
    replace: ';',
    killedBy: unpacked,
  },
  {
    name: 'a folder keeps what was unpacked before a failure',
    file: 'src/folders/unpack-folder.ts',
    find: '      await clear(folder, isNew, error);\n',
    replace: '',
    killedBy: unpacked,
  },
  {
    name: 'a folder that is not empty is unpacked into',
    file: 'src/folders/unpack-folder.ts',
    find: "  if (!isNew && (await readdir(folder)).length > 0) throw new InvalidSpecError('folder', 'is not empty');\n",
    replace: '',
    killedBy: unpacked,
  },
  {
    name: 'a sparse file is unpacked as it is stored',
    file: 'src/folders/unpack-folder.ts',
    find: "    if (entry.isSparse) throw new UnsupportedEntryError({ entry: displayName(entry.name) }, 'a sparse file');\n",
    replace: '',
    killedBy: unpacked,
  },
  {
    name: 'a failed copy leaves its work folder',
    file: 'src/service/cli/copy/local-target.ts',
    find: 'if (!(error instanceof NotRestoredError)) await',
    replace: 'if (error instanceof NotRestoredError) await',
    killedBy: targets,
  },
  {
    name: 'a target that exists is replaced without force',
    file: 'src/service/cli/copy/local-target.ts',
    find: 'else if (!force && !(',
    replace: 'else if (!force && existing === undefined && !(',
    killedBy: targets,
  },
  {
    name: 'a file that is overwritten while it is read is packed',
    file: 'src/folders/pack-folder.ts',
    find: '    if (mtimeNs !== status.mtimeNs && size <= status.size) throw changed(path);\n',
    replace: '',
    killedBy: packed,
  },
  {
    name: 'the terminal stays raw after a failure',
    file: 'src/service/cli/attached/terminal.ts',
    find: "    process.off('exit', restore);\n    restore();",
    replace: "    process.off('exit', restore);",
    killedBy: attached,
  },
  {
    name: 'the last size of the terminal is lost',
    file: 'src/service/cli/attached/terminal.ts',
    find: '    isStale = true;\n    if (isRunning) return;',
    replace: '    if (isRunning) return;\n    isStale = true;',
    killedBy: attached,
  },
  {
    name: 'run leaves its container',
    file: 'src/service/cli/run/run-once.ts',
    find: "    if (await finish(worker, owner, context)) process.off('exit', nameLeftBehind);\n",
    replace: '',
    killedBy: streams,
  },
  {
    name: 'run checks the targets of outputs at the end only',
    file: 'src/service/cli/run/run-once.ts',
    find: '  await Promise.all(plan.outputs.map(({ target }) => checkTarget(target, options)));\n',
    replace: '',
    killedBy: streams,
  },
  {
    name: 'Container.mounts of a container without a row is empty',
    file: 'src/worker/pod-container.ts',
    find: '    if (record === undefined) throw this.#disappeared();\n    return found;',
    replace: '    return found;',
    killedBy: { specs: ['test/unit/worker/pod-container.spec.ts'] },
  },
];
