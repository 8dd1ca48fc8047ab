import type { Mutant } from '../../../scripts/mutant.ts';

const folders = { specs: ['test/integration/service/cli/folders.spec.ts'] };
const attached = { specs: ['test/unit/service/cli/attached/run-attached.spec.ts'] };
const streams = { specs: ['test/integration/service/cli/streams.spec.ts'] };

/** Faults in how the command line moves files and streams that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an entry is written through a link of the archive',
    file: 'src/service/cli/folder/unpack-archive.ts',
    find: "          if (codeOf(error) !== 'EEXIST') throw error;\n          throw new ArchiveError(",
    replace: "          if (codeOf(error) === 'EEXIST') return;\n          throw new ArchiveError(",
    killedBy: folders,
  },
  {
    name: 'an entry may lead out of the folder by ..',
    file: 'src/service/cli/folder/unpack-archive.ts',
    find: "name.startsWith('/') || parts.includes('..')",
    replace: "name.startsWith('/')",
    killedBy: folders,
  },
  {
    name: 'a hard link may lead through a symbolic link',
    file: 'src/service/cli/folder/unpack-archive.ts',
    find: 'const isFile = this.#isKnown(parent) && ',
    replace: 'const isFile = ',
    killedBy: folders,
  },
  {
    name: 'a failed copy leaves its work folder',
    file: 'src/service/cli/folder/local-target.ts',
    find: 'if (!(error instanceof NotRestoredError)) await',
    replace: 'if (error instanceof NotRestoredError) await',
    killedBy: folders,
  },
  {
    name: 'a target that exists is replaced without force',
    file: 'src/service/cli/folder/local-target.ts',
    find: 'else if (!force && !(',
    replace: 'else if (!force && existing === undefined && !(',
    killedBy: folders,
  },
  {
    name: 'a file that became shorter is packed',
    file: 'src/service/cli/folder/pack-folder.ts',
    find: "if (bytesRead === 0) throw changed(path, 'became shorter');",
    replace: 'if (bytesRead === 0) return;',
    killedBy: folders,
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
    find: '    await finish(worker, owner);\n',
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
