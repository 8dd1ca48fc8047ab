/**
 * The operations that have a span each. `docs/metrics.md` describes them. They label metrics too, so
 * that a name is never made of a host's data.
 */
export type Operation =
  | 'container.create'
  | 'pod.create'
  | 'pod.ready'
  | 'pod.schedule'
  | 'image.pull'
  | 'agent.connect'
  | 'inputs.stream-in'
  | 'process.run'
  | 'process.attach'
  | 'process.exec'
  | 'process.wait'
  | 'outputs.save'
  | 'volume.stream-in'
  | 'volume.stream-out'
  | 'pod.delete'
  | 'reaper.pass'
  | 'store.sweep'
  | 'heartbeat';

/**
 * The attributes of spans. Names that OpenTelemetry's semantic conventions define are used as they
 * are. No attribute has a value of a command, of its environment or of a credential.
 */
export const attribute = {
  cancelled: 'kubernetes_worker.cancelled',
  containerHandle: 'kubernetes_worker.container.handle',
  detached: 'kubernetes_worker.process.detached',
  errorType: 'error.type',
  exitCode: 'process.exit.code',
  image: 'container.image.name',
  mountPath: 'kubernetes_worker.mount.path',
  nodeName: 'k8s.node.name',
  pipelineName: 'cicd.pipeline.name',
  podName: 'k8s.pod.name',
  processId: 'kubernetes_worker.process.id',
  taskName: 'cicd.pipeline.task.name',
  volumeHandle: 'kubernetes_worker.volume.handle',
  workerName: 'kubernetes_worker.name',
} as const;

/** Attributes by the keys of `attribute`. Those without a value are left out. */
export type SpanFacts = Readonly<Partial<Record<keyof typeof attribute, string | number | boolean | undefined>>>;
