import { expect } from 'chai';
import fc from 'fast-check';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { StartProgress } from '../../../src/pods/start-progress.ts';
import type { StepProgress } from '../../../src/runtime/step-progress.ts';

const image = 'registry.local/busybox:1';
const nodeName = 'node-1';

const podWith = (spec: object, status: object = {}): Pod => ({
  metadata: { name: 'pod' },
  spec: { containers: [{ name: 'main', image }], ...spec },
  status,
});
const main = (status: object): object => ({
  containerStatuses: [{ name: 'main', image, imageID: '', ready: false, restartCount: 0, ...status }],
});
const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no memory' };

/** The states of a pod that starts, in the order in which a cluster shows them. */
const states = {
  new: podWith({}),
  unschedulable: podWith({}, { conditions: [condition] }),
  bound: podWith({ nodeName }),
  creating: podWith({ nodeName }, main({ state: { waiting: { reason: 'ContainerCreating' } } })),
  running: podWith({ nodeName }, main({ imageID: 'sha256:1', state: { running: {} } })),
} as const;
type State = keyof typeof states;
const stateNames = Object.keys(states) as State[];

const kinds: readonly StepProgress['kind'][] = [
  'waiting-for-another-host',
  'creating-pod',
  'waiting-for-quota',
  'unschedulable',
  'scheduled',
  'pulling',
  'waiting-for-volumes',
  'pulled',
  'agent-ready',
  'streaming-input',
  'inputs-done',
  'ready',
];

const input = {
  path: '/in',
  handle: 'a-1',
  inputNumber: 1,
  inputCount: 1,
  receivedBytes: 0,
  totalBytes: undefined,
  isComplete: false,
};

const cache = { path: '/c', handle: 'c-1', receivedBytes: 0, totalBytes: undefined, isComplete: false };
const lost = { path: '/c', handle: 'c-1', message: 'gone' };

/** The facts that a test may give, in any order. */
const facts: Readonly<Record<string, (progress: StartProgress) => void>> = {
  ...Object.fromEntries(
    Object.entries(states).map(([name, pod]) => [name, (progress: StartProgress) => progress.observe(pod)]),
  ),
  'waiting-for-another-host': (progress) => progress.waitingForAnotherHost(),
  'creating-pod': (progress) => progress.creatingPod(),
  'waiting-for-quota': (progress) => progress.waitingForQuota('exceeded quota', 2),
  'waiting-for-volumes': (progress) => progress.waitingForVolumes('secret "s" not found'),
  'agent-ready': (progress) => progress.agentReady(),
  'streaming-input': (progress) => progress.streamingInput(input),
  'streaming-cache': (progress) => progress.streamingCache(cache),
  'cache-lost': (progress) => progress.cacheLost(lost),
  'inputs-done': (progress) => progress.inputsDone(),
  ready: (progress) => progress.ready(),
  end: (progress) => progress.end(),
};

/** Gives facts, and returns the events. */
function eventsOf(names: readonly string[]): readonly StepProgress[] {
  const events: StepProgress[] = [];
  const report = (event: StepProgress): void => void events.push(event);
  const progress = new StartProgress({ podName: 'pod', clock: { now: () => 1_000 }, report });
  for (const name of names) facts[name]!(progress);
  return events;
}

const kindsOf = (names: readonly string[]): readonly StepProgress['kind'][] => eventsOf(names).map(({ kind }) => kind);
const isOfCache = (kind: string): boolean => kind === 'streaming-cache' || kind === 'cache-lost';

describe('StartProgress', () => {
  it('reports each event with its facts, the name of the pod and the time', () => {
    const common = { podName: 'pod', at: new Date(1_000) };
    expect(
      eventsOf(['creating-pod', 'waiting-for-quota', ...stateNames, 'agent-ready', 'streaming-input', 'ready']),
    ).to.deep.equal([
      { ...common, kind: 'creating-pod' },
      { ...common, kind: 'waiting-for-quota', message: 'exceeded quota', queued: 2 },
      { ...common, kind: 'unschedulable', message: 'no memory' },
      { ...common, kind: 'scheduled', nodeName },
      { ...common, kind: 'pulling', image },
      { ...common, kind: 'pulled', image },
      { ...common, kind: 'agent-ready' },
      { ...common, kind: 'streaming-input', ...input },
      { ...common, kind: 'ready' },
    ]);
  });

  it('reports each kind at most once and in order, inputs and caches apart, for facts in any order and number [A48]', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(facts)), { maxLength: 40 }), (names) => {
        const reported = kindsOf(names);
        const ranks = reported.map((kind) => kinds.indexOf(isOfCache(kind) ? 'streaming-input' : kind));
        expect(ranks).to.deep.equal([...ranks].sort((a, b) => a - b));
        const once = reported.filter((kind) => kind !== 'streaming-input' && !isOfCache(kind));
        expect(once).to.have.length(new Set(once).size);
        if (names.includes('end')) expect(reported).to.deep.equal(kindsOf(names.slice(0, names.indexOf('end'))));
      }),
    );
  });

  it('reports each fact of a pod that was seen, and no other, whatever states the watch skips or repeats [A48]', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...stateNames), { minLength: 1, maxLength: 12 }), (seen) => {
        const inOrder = [...seen].sort((a, b) => stateNames.indexOf(a) - stateNames.indexOf(b));
        const has = (...wanted: State[]): boolean => wanted.some((state) => inOrder.includes(state));
        const isScheduled = has('bound', 'creating', 'running');
        expect(kindsOf([...inOrder, 'agent-ready'])).to.deep.equal([
          ...(has('unschedulable') ? ['unschedulable'] : []),
          ...(isScheduled ? ['scheduled'] : []),
          ...(has('creating') ? ['pulling'] : []),
          // The agent's answer proves it.
          ...(isScheduled ? ['pulled'] : []),
          'agent-ready',
        ]);
      }),
    );
  });

  it('reports volumes that are not mounted while the container does not exist', () => {
    const seen = ['creating', 'waiting-for-volumes', 'waiting-for-volumes', 'running', 'waiting-for-volumes'];
    expect(kindsOf(seen)).to.deep.equal(['scheduled', 'pulling', 'waiting-for-volumes', 'pulled']);
    expect(eventsOf(seen)).to.deep.include({
      podName: 'pod',
      at: new Date(1_000),
      kind: 'waiting-for-volumes',
      message: 'secret "s" not found',
    });
  });

  it('reports every event of an input until all inputs are done', () => {
    expect(kindsOf(['streaming-input', 'streaming-input', 'inputs-done', 'streaming-input'])).to.deep.equal([
      'streaming-input',
      'streaming-input',
      'inputs-done',
    ]);
  });

  it('reports every event of a cache, among those of inputs', () => {
    const names = ['streaming-cache', 'streaming-input', 'cache-lost', 'streaming-cache'];
    expect(eventsOf([...names, 'inputs-done', 'streaming-cache', 'cache-lost']).map(({ kind }) => kind)).to.deep.equal([
      ...names,
      'inputs-done',
    ]);
    expect(eventsOf(['cache-lost'])).to.deep.equal([
      { podName: 'pod', at: new Date(1_000), kind: 'cache-lost', ...lost },
    ]);
  });

  it('reports nothing after its end', () => {
    expect(kindsOf(['creating-pod', 'end', 'running', 'streaming-input', 'ready'])).to.deep.equal(['creating-pod']);
  });
});
