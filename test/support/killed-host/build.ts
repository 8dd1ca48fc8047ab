/** A step of a build, with its expected output: the host runs it, the test checks it. */
export interface Step {
  readonly name: 'get' | 'task' | 'put';
  readonly script: string;
  readonly stdin: string | undefined;
  readonly exitStatus: number;
  readonly stdout: string;
  readonly stderr: string;
}

const turns = 30;
const linesPerTurn = 10;

const numbers = Array.from({ length: turns * linesPerTurn }, (_, index) => index + 1);

function step(
  name: Step['name'],
  { first, last, exitStatus, stdin }: Pick<Step, 'exitStatus' | 'stdin'> & { first: string; last: string },
): Step {
  // Each container has its own folder, so a command that runs twice in one is counted twice.
  const script = `
    echo ran >> count
    ${first}
    i=0
    while [ $i -lt ${turns * linesPerTurn} ]; do
      i=$((i+1)); echo "${name} out $i"; echo "${name} err $i" >&2
      [ $((i % ${linesPerTurn})) -eq 0 ] && sleep 0.05
    done
    echo "ran $(wc -l < count)"
    exit ${exitStatus}`;
  return {
    name,
    script,
    stdin,
    exitStatus,
    stdout: `${last}${numbers.map((number) => `${name} out ${number}\n`).join('')}ran 1\n`,
    stderr: numbers.map((number) => `${name} err ${number}\n`).join(''),
  };
}

/** The task reads the output of the get; the put reads the output of the task, and a request. */
export const steps: readonly Step[] = [
  step('get', { first: 'echo version-7 > made/file', last: '', exitStatus: 0, stdin: undefined }),
  step('task', {
    first: 'cat made-by-get/file; echo built >> made/file',
    last: 'version-7\n',
    exitStatus: 5,
    stdin: undefined,
  }),
  step('put', {
    first: 'cat made-by-task/file; cat',
    last: 'built\n{"params":{}}\n',
    exitStatus: 0,
    stdin: '{"params":{}}\n',
  }),
];
