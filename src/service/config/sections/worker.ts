import { z } from 'zod';

import type { Architecture, ExecProtocol } from '../../../index.ts';
import { key, path, requiredKey, type Shape, section, text, texts } from '../section.ts';

/** The worker: its name, its cluster, and how it reaches its pods. */
export interface WorkerSection {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly labelPrefix: string;
  readonly architecture?: Architecture | undefined;
  readonly volumeImage: string;
  readonly privilegedTeams?: 'all' | readonly string[] | undefined;
  readonly agentBinary?: string | undefined;
  readonly agentConfigMap: 'create' | 'existing';
  readonly podObservation: 'watch' | 'poll';
  readonly execProtocols: readonly ExecProtocol[];
  readonly traceEnvironment: boolean;
}

const shape: Shape<WorkerSection> = {
  name: requiredKey(z.string().min(1).max(253), {
    description: 'The name of the worker, unique in the database. All replicas of a worker have the same name.',
    example: 'ci',
  }),
  namespace: key(text.optional(), {
    description: "The namespace of the worker's pods.",
    example: 'ci',
    unset: "the kubeconfig's namespace, in a pod that of the pod",
  }),
  kubeconfig: key(path.optional(), {
    description: 'The path of a kubeconfig file.',
    example: '/etc/kubernetes-worker/kubeconfig',
    unset: "`KUBECONFIG`, `~/.kube/config`, the pod's service account",
  }),
  labelPrefix: key(text.default('kubernetes-worker'), {
    description: 'The prefix of the labels and annotations that describe a container, such as its team and its build.',
    example: 'ci.example',
  }),
  architecture: key(z.enum(['amd64', 'arm64']).optional(), {
    description: 'The architecture of the nodes for steps that name none.',
    example: 'arm64',
    unset: 'the architecture that all nodes share, otherwise `amd64`',
  }),
  volumeImage: key(text.default('registry.k8s.io/pause:3.10'), {
    description: 'The image of pods that only hold a volume or probe the network. No program of the image runs.',
    example: 'registry.example/pause:3.10',
  }),
  privilegedTeams: key(z.union([z.literal('all'), texts]).optional(), {
    description: 'The teams whose containers may be privileged: a list, or `all`.',
    example: ['platform'],
    unset: 'none',
  }),
  agentBinary: key(path.optional(), {
    description: "The path of the agent's program, which is that of the same version of the package.",
    example: '/opt/kubernetes-worker/agent-amd64',
    unset: 'the program in the package',
  }),
  agentConfigMap: key(z.enum(['create', 'existing']).default('create'), {
    description: 'Whether the worker creates the config map with the agent, or an operator does.',
    example: 'existing',
  }),
  podObservation: key(z.enum(['watch', 'poll']).default('watch'), {
    description: 'How the worker follows its pods: `poll` needs no permission to watch.',
    example: 'poll',
  }),
  execProtocols: key(
    z
      .array(z.enum(['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io']))
      .min(1)
      .default(['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io']),
    {
      description: 'The protocols for connections to pods, in order of preference.',
      example: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    },
  ),
  traceEnvironment: key(z.boolean().default(false), {
    description: 'Whether commands receive the trace context of their span as `TRACEPARENT`.',
    example: true,
  }),
};

export const workerSection: z.ZodType<WorkerSection> = section(shape);
