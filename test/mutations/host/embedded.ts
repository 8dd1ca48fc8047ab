import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/embedded` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'folders keep their own folders when they are removed',
    file: 'src/embedded/remove-tree.ts',
    find: 'await orUndefined(rename(pathIn(folder, name), `${top}/${names.next()}`));',
    replace: 'await orUndefined(rmdir(pathIn(folder, name)));',
    killedBy: { specs: ['test/integration/embedded/remove-tree.spec.ts'], grep: 'removing a tree' },
  },
  {
    name: 'a tree that cannot be removed keeps a cluster from starting',
    file: 'src/embedded/instance-registry.ts',
    find: '    } catch (error) {',
    replace: '    } catch (error) {\n      throw error;',
    killedBy: { specs: ['test/integration/embedded/remove-tree.spec.ts'], grep: 'of an earlier one' },
  },
  {
    name: 'a container gets the environment of a shell',
    file: 'src/embedded/isolation/launch.ts',
    find: 'exec "$kw_env" -i -- "$@"',
    replace: 'exec "$kw_env" -- "$@"',
    killedBy: { specs: ['test/integration/embedded/environment.spec.ts'], grep: 'no variables of a shell' },
  },
  {
    name: 'an environment that the kernel refuses fails the pod',
    file: 'src/embedded/kubelet/container-runner.ts',
    find: "if (!isRecord(error) || error['code'] !== 'E2BIG') throw error;",
    replace: 'throw error;',
    killedBy: { specs: ['test/integration/embedded/environment.spec.ts'], grep: 'if the kernel refuses' },
  },
];
