import { ForbiddenError } from '../errors/cluster.ts';
import type { PodError } from '../errors/pod.ts';
import { podErrorWith } from '../errors/pod-error-with.ts';
import { cutBytes } from '../internal/cut-bytes.ts';
import type { Mask } from '../internal/host-mask.ts';
import { within } from '../internal/within.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { formatDiagnostics, type NodeFindings } from '../kubernetes/pod-state/pod-diagnostics.ts';
import type { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

export interface PodDiagnosticsComponents {
  readonly cluster: Pick<Cluster, 'namespace' | 'getPod' | 'getNode'>;
  readonly watch: Pick<PodWatch, 'lastSeen'>;
  readonly mask: Mask;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long the pod and its node may take to be read, together. */
const budgetMs = 3_000;
const maxBlockBytes = 16 * 1024;

/** Completes the errors about pods with the state of the pod and of its node. */
export class PodDiagnostics {
  readonly #components: PodDiagnosticsComponents;

  constructor(components: PodDiagnosticsComponents) {
    this.#components = components;
  }

  /**
   * Resolves with the error and its diagnostics. Resolves with the error alone if its texts cannot
   * be masked, or if the signal aborts. Never rejects.
   */
  async complete(error: PodError, { signal }: AbortOptions = {}): Promise<PodError> {
    if (error.diagnostics !== undefined) return error;
    const { logger } = this.#components;
    try {
      return podErrorWith(error, await this.#find(error, signal));
    } catch (cause) {
      if (signal?.aborted !== true && !(cause instanceof NotMasked))
        logger.warn('pod not diagnosed', { podName: error.podName, error: cause });
      return error;
    }
  }

  async #find(
    { podName, nodeName: knownNode }: PodError,
    signal: AbortSignal | undefined,
  ): Promise<Pick<PodError, 'diagnostics' | 'nodeName'>> {
    const { cluster, clock, watch } = this.#components;
    const endsAt = clock.now() + budgetMs;
    const seen = watch.lastSeen(podName);
    const read = await this.#read(endsAt, (reading) => cluster.getPod(podName, { signal: reading }), signal);
    const isCurrent = typeof read === 'object' && (seen === undefined || read.metadata?.uid === seen.metadata?.uid);
    const absence = isCurrent ? undefined : typeof read === 'string' ? read : 'no longer exists';
    const pod: Pod | undefined = isCurrent ? read : seen;
    const nodeName = pod?.spec?.nodeName ?? knownNode;
    const node = nodeName === undefined ? undefined : await this.#findNode(nodeName, endsAt, signal);
    const findings = { namespace: cluster.namespace, podName, pod, absence: absence && this.#show(absence), node };
    const text = this.#show(formatDiagnostics(findings, this.#show));
    return { nodeName, diagnostics: cutBytes(text, maxBlockBytes) };
  }

  async #findNode(name: string, endsAt: number, signal: AbortSignal | undefined): Promise<NodeFindings> {
    const { cluster } = this.#components;
    const read = await this.#read(endsAt, (reading) => cluster.getNode(name, { signal: reading }), signal);
    return { name, state: read ?? 'no longer exists' };
  }

  /**
   * Resolves with the object, with `undefined` if it does not exist, or with why it was not read.
   */
  async #read<T extends object>(
    endsAt: number,
    work: (signal: AbortSignal) => Promise<T | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<T | string | undefined> {
    const { clock } = this.#components;
    try {
      return await within(Math.max(0, endsAt - clock.now()), clock, work, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ForbiddenError) return 'may not be read: a permission is missing (docs/rbac.md)';
      return `was not read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  readonly #show = (text: string): string => {
    const masked = this.#components.mask(text);
    if (masked === undefined) throw new NotMasked();
    return masked;
  };
}

/** The host's mask failed, which was logged. */
class NotMasked extends Error {}
