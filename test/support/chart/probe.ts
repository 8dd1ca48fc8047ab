import type { KubeConfig } from '@kubernetes/client-node';

import { execOutcome, type PodContainer, podExec } from './pod-exec.ts';

/** What came of a TCP connection. A policy drops packets, so that nothing answers. */
export type Outcome = (typeof outcomes)[number];

const outcomes = ['connected', 'refused', 'unreachable'] as const;

/** `HOST:PORT` by a name of the test's own. */
export type Targets = Readonly<Record<string, string>>;

const agentPath = '/.kw-agent/agent';
/** Longer than a pod on a busy node takes to connect. */
const giveUpMs = 6_000;

// Tries all addresses at once.
const probeScript = `
const net = require('node:net');
const reach = (target) => new Promise((resolve) => {
  const [host, port] = target.split(':');
  const socket = net.connect({ host, port: Number(port) });
  const end = (outcome) => { clearTimeout(timer); socket.destroy(); resolve(outcome); };
  const timer = setTimeout(end, ${giveUpMs}, 'unreachable');
  socket.on('connect', () => end('connected'));
  socket.on('error', ({ code }) => end(code === 'ECONNREFUSED' ? 'refused' : 'unreachable'));
});
Promise.all(process.argv.slice(1).map(reach)).then((outcomes) => console.log(outcomes.join()));
`;

/** Tries connections from a pod of the service's image. */
export async function probe(
  kubeConfig: KubeConfig,
  from: PodContainer,
  targets: Targets,
): Promise<Record<string, Outcome>> {
  const command = ['/usr/local/bin/node', '-e', probeScript, ...Object.values(targets)];
  const reached = (await podExec(kubeConfig, from, command)).trim().split(',') as Outcome[];
  return Object.fromEntries(Object.keys(targets).map((name, index) => [name, reached[index]!]));
}

// Ends with 1 if nothing answers.
const requestScript = `
fetch(process.argv[1], { headers: JSON.parse(process.argv[2]), signal: AbortSignal.timeout(30000) })
  .then(async (answer) => console.log(JSON.stringify({ status: answer.status, text: await answer.text() })));
`;

/** The answer to a request from a pod. */
export interface PodAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends a GET from a pod of the service's image. */
export async function get(
  kubeConfig: KubeConfig,
  from: PodContainer,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<PodAnswer> {
  const command = ['/usr/local/bin/node', '-e', requestScript, url, JSON.stringify(headers)];
  return JSON.parse(await podExec(kubeConfig, from, command)) as PodAnswer;
}

/** Tries connections to numeric addresses from a pod with the agent: that of a step, or of a store. */
export async function agentProbe(
  kubeConfig: KubeConfig,
  from: PodContainer,
  targets: Targets,
): Promise<Record<string, Outcome>> {
  const tries = Object.entries(targets).map(async ([name, target]) => {
    const [host = '', port = ''] = target.split(':');
    // It ends with 1 if nothing answers.
    const { stdout, stderr } = await execOutcome(kubeConfig, from, [agentPath, 'reach', host, port, String(giveUpMs)]);
    const outcome = outcomes.find((known) => stdout.startsWith(`${known} `));
    if (outcome === undefined) throw new Error(`no outcome of a probe of ${target}: ${stdout} ${stderr}`);
    return [name, outcome] as const;
  });
  return Object.fromEntries(await Promise.all(tries));
}
